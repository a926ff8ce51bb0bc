"""SoftCPT's hard baselines: CoOp over several tasks, with one context for all of them, one a task
or one a class (arXiv:2208.13474).

T tasks, C classes, C_t classes of task t, n context tokens, W text width.
"""

import torch
from torch import Tensor, nn

from trainers.parts.classes import Task
from trainers.parts.options import Option, Options
from trainers.parts.owned_contexts import OwnedContextsModel, Owners
from trainers.parts.precision import PREC
from trainers.parts.prompts import TextPrompts
from trainers.parts.register import register_method
from trainers.parts.task_prompts import Layout, NamePrompts, context_options
from trainers.parts.task_training import MultiTaskTrainer

NODE = "TRAINER.MTCOOPH"

MTCOOPH_OPTIONS = Options(
    NODE,
    PREC=PREC,
    **context_options("class", minimum=1),
    CSC=Option(False, "class-specific: one context a class"),
    TSC=Option(False, "task-specific: one context a task; with CSC one a class, kept by task"),
)


class TaskContext(nn.Module):
    """The context `ctx` of one task: [n, W], or [C_t, n, W] for its classes."""

    def __init__(self, ctx: Tensor):
        super().__init__()
        self.ctx = nn.Parameter(ctx)


class HardPromptLearner(NamePrompts):
    """`ctx` [n, W] or class-specific [C, n, W]; task-specific `learners.<t>.ctx` instead.

    Args:
        layout: CTX_INIT's words give one context to all classes (of a task), whatever `own` says.
        own: one context a class.
        tasks: they get a context each; () = one for all.
    """

    def __init__(
        self,
        text: nn.Module,
        layout: Layout,
        num_classes: int,
        dtype: torch.dtype,
        *,
        own: bool,
        tasks: tuple[Task, ...],
    ):
        super().__init__(text, layout)
        sizes = [len(task.classes) for task in tasks] or [num_classes]
        starts = [layout.start(text, size if own else None).to(dtype) for size in sizes]
        if tasks:
            self.learners = nn.ModuleList(TaskContext(start) for start in starts)
        else:
            self.ctx = nn.Parameter(starts[0])

    def forward(self, task_of_class: Tensor) -> TextPrompts:
        """Prompts of all classes, whose tasks are [C]; one stream for each shared context."""
        if "learners" not in self._modules:
            return self.prompts(self.ctx)
        contexts = [learner.ctx for learner in self.learners]
        if contexts[0].dim() == 3:
            return self.prompts(torch.cat(contexts))
        return self.prompts(torch.stack(contexts), group=task_of_class)


class SoftCPTHardModel(OwnedContextsModel):
    """w_k = text tower of [ctx of all, of k's task or of k; name_k]; logits = s cos(f, w); the loss
    is the cross-entropy inside each image's own task."""

    def build(self) -> None:
        options, num_classes = self.cfg.TRAINER.MTCOOPH, len(self.space)
        tasks = self.space.tasks or (Task("", 0, num_classes),)
        self.prompt_learner = HardPromptLearner(
            self.clip.text,
            Layout.of(options, NODE),
            num_classes,
            self.precision.trained_dtype,
            own=options.CSC,
            tasks=tasks if options.TSC else (),
        )

    def text_prompts(self) -> TextPrompts:
        return self.prompt_learner(self.task_of_class)

    def owned_contexts(self) -> list[Owners]:
        options = self.cfg.TRAINER.MTCOOPH
        if options.CSC and not Layout.of(options, NODE).words:
            return [Owners(f"{NODE}.CSC", "classes", "prompt_learner.")]
        return [Owners(f"{NODE}.TSC", "tasks", "prompt_learner.learners.")] if options.TSC else []


@register_method(aliases=("MTCoOpHard",), dept=True)
class SoftCPTHard(MultiTaskTrainer):
    """Trains the contexts alone."""

    model_class = SoftCPTHardModel
    options = (MTCOOPH_OPTIONS,)
    precision_key = f"{NODE}.PREC"
    checkpoint = {"prompt_learner": "prompt_learner"}  # noqa: RUF012
