"""The config keys of SoftCPT (its repository, train.py) and which of their values go together."""

from yacs.config import CfgNode

from trainers.parts.options import Option, Options
from trainers.parts.precision import PREC
from trainers.parts.task_prompts import Layout, context_options

NODE = "TRAINER.MTCOOP"

MTCOOP_OPTIONS = Options(
    NODE,
    PREC=PREC,
    **context_options("class", minimum=1),
    CSC=Option(False, "let the meta network see class features beside the task's"),
    **context_options("task name", "TASK_"),
    TASK_CSC=Option(False, "task-specific: one context a task in the task prompts"),
    **context_options("class name", "CLASS_"),
    CLASS_CSC=Option(False, "class-specific: one context a class in the class name prompts"),
    PG_TYPE=Option(
        "",
        "what enters the meta network: lin = class and task feature (the task's alone without "
        "CSC), linmean = their mean, lincls = the class's",
        ("lin", "linmean", "lincls"),
    ),
    PG_RATIO=Option(1, "read by no published code; part of its folder names"),
    CLS_SAMPLE_RATE=Option(
        0.0, "share of classes without an image that a step computes; 0 = all", minimum=0, maximum=1
    ),
    FREEZE_CLS_PROMPT=Option(0, "1: the context of the class name prompts does not train", (0, 1)),
    STEP_REPEAT=Option(
        -1,
        "optimizer steps a batch and schedule steps an epoch; -1 = one for each trained part of "
        "the published code, whose parts share an optimizer (3 or 4); 1 = plain SGD",
        minimum=-1,
    ),
)


def combination_problems(options: CfgNode) -> list[str]:
    """A line for each combination of MTCOOP's values that means nothing."""
    problems = []
    if not options.CSC and options.PG_TYPE in ("linmean", "lincls"):
        problems.append(
            f"{NODE}.PG_TYPE = {options.PG_TYPE!r}: needs class features, which only "
            f"{NODE}.CSC True gives; with CSC False use lin"
        )
    if not options.CSC and options.CLS_SAMPLE_RATE > 0:
        problems.append(
            f"{NODE}.CLS_SAMPLE_RATE = {options.CLS_SAMPLE_RATE}: needs {NODE}.CSC True; "
            f"with CSC False use 0"
        )
    words = Layout.of(options, NODE).words
    if words and Layout.of(options, NODE).n_ctx != options.N_CTX:
        problems.append(
            f"{NODE}.CTX_INIT = {words!r}: has {len(words.split(' '))} words, and the meta network "
            f"makes {NODE}.N_CTX = {options.N_CTX} tokens; use equal numbers"
        )
    if options.STEP_REPEAT == 0:
        problems.append(f"{NODE}.STEP_REPEAT = 0: use -1, or 1 and more")
    return problems
