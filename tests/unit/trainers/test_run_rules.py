"""Contradictions of flags and keys: a table of what breaks each rule, and lines that break none."""

from types import SimpleNamespace

import pytest

from dassl.config import get_cfg_default
from dassl.engine import TRAINER_REGISTRY
from dassl.utils.errors import UserError
from tests.smoke import test_scripts, test_scripts_seeds
from train import build_parser, read_command
from trainers.parts.data_rules import DATA_RULES, Built
from trainers.parts.idle_keys import FOR_OTHERS, IDLE, idle_notices
from trainers.parts.options import OPTIONS
from trainers.parts.run_config import build_config
from trainers.parts.run_rules import FLAG_KEYS, FLAG_RULES, Asked, lines_of

TEST = ("--eval-only", "--model-dir", "DIR")
YAML = {"TEST.NO_TEST": True}
# rule -> trainer, words (DIR is a folder that is there), what a YAML says, words of the line
FLAGS = {
    "a model to test, in a training": [
        (
            "CoOp",
            ("--model-dir", "DIR"),
            {},
            "add --eval-only MODEL.INIT_WEIGHTS DIR from_the_start",
        ),
        ("CoOp", ("--model-dir", "none", "--no-train"), {}, "--model-dir --no-train"),
        ("ZeroshotCLIP", ("--model-dir", "DIR"), {}, "--eval-only"),
    ],
    "an epoch to test, in a training": [
        ("CoOp", ("--load-epoch", "2"), {}, "--load-epoch --eval-only MODEL.INIT_WEIGHTS"),
        ("CoOp", ("--load-epoch", "-1", "--no-train"), {}, "--load-epoch --eval-only"),
    ],
    "a test of tensors that were never trained": [
        ("MaPLe", ("--eval-only",), {}, "--eval-only --model-dir --untrained MaPLe"),
        ("LinearProbe", ("--eval-only", "--load-epoch", "1"), {}, "--model-dir"),
    ],
    "a folder of a model that is not there": [
        ("CoOp", ("--eval-only", "--model-dir", "none"), {}, "--model-dir no_such_folder"),
        ("CoOp", ("--eval-only", "--model-dir", "FILE"), {}, "is_a_file"),
    ],
    "untrained on purpose, in a training": [("CoOp", ("--untrained",), {}, "--eval-only")],
    "untrained on purpose, and a model": [
        ("CoOp", (*TEST, "--untrained"), {}, "--untrained --model-dir"),
        ("CoOp", ("--eval-only", "--untrained", "--load-epoch", "1"), {}, "--load-epoch"),
    ],
    "a training to go on with, in a test": [
        ("CoOp", (*TEST, "--resume", "DIR"), {}, "--resume --eval-only --model-dir"),
        ("CoOp", (*TEST, "RESUME", "DIR"), {}, "RESUME --eval-only"),
    ],
    "a test without a test": [
        ("CoOp", (*TEST, "TEST.NO_TEST", "True"), {}, "--eval-only TEST.NO_TEST"),
    ],
    "a test with the YAML of a training without one": [("CoOp", TEST, YAML, "TEST.NO_TEST")],
    "the best of epochs that nobody tests": [
        ("CoOp", ("TEST.FINAL_MODEL", "best_val"), YAML, "TEST.FINAL_MODEL TEST.NO_TEST"),
    ],
    "a store, and none": [
        ("CoOp", ("--cache", "DIR", "--no-cache"), {}, "--cache --no-cache"),
    ],
    "a flag and its key": [
        ("CoOp", ("--seed", "1", "SEED", "2"), {}, "--seed_1 SEED_2"),
        ("CoOp", ("--backbone", "ViT-B/16", "MODEL.BACKBONE.NAME", "RN50"), {}, "--backbone"),
    ],
    "half of a path's replacement": [
        ("CoOp", ("--old-data-path", "/a"), {}, "--old-data-path --new-data-path both"),
        ("CoOp", ("DATALOADER.NEW_DATA_PATH", "/a"), {}, "--new-data-path"),
    ],
    "no training, in a test": [("CoOp", (*TEST, "--no-train"), {}, "--no-train --eval-only")],
    "an epoch of a method without tensors": [
        ("ZeroshotCLIP", ("--eval-only", "--load-epoch", "5"), {}, "--load-epoch ZeroshotCLIP"),
    ],
    "untrained on purpose, of a method without tensors": [
        ("ZeroshotCLIP", ("--eval-only", "--untrained"), {}, "--untrained ZeroshotCLIP"),
    ],
    "no shots": [
        ("CoOp", ("DATASET.NUM_SHOTS", "0"), {}, "DATASET.NUM_SHOTS every_training_image"),
        ("CoOp", ("DATASET.NUM_SHOTS", "-4"), {}, "DATASET.NUM_SHOTS_-4"),
    ],
    "no epoch": [("CoOp", ("OPTIM.MAX_EPOCH", "0"), {}, "OPTIM.MAX_EPOCH nothing_is_trained")],
    "initial weights of what does not train": [
        ("ZeroshotCLIP", ("--eval-only", "MODEL.INIT_WEIGHTS", "x"), {}, "MODEL.INIT_WEIGHTS"),
    ],
    "initial weights under loaded ones": [
        ("CoOp", (*TEST, "MODEL.INIT_WEIGHTS", "x"), {}, "MODEL.INIT_WEIGHTS --model-dir"),
    ],
}
ROWS = [(name, *row) for name, rows in FLAGS.items() for row in rows]


@pytest.fixture
def asked(tmp_path):
    """Asked(trainer, words, what a YAML says), on the engine's defaults."""
    (tmp_path / "run").mkdir()
    (tmp_path / "file").touch()
    places = {"DIR": str(tmp_path / "run"), "FILE": str(tmp_path / "file")}

    def call(trainer, words, yaml=()):
        words = ["--trainer", trainer, *(places.get(word, word) for word in words)]
        args = build_parser().parse_args(words)
        cfg = get_cfg_default()
        OPTIONS.extend(cfg)
        cfg.merge_from_list([part for pair in dict(yaml).items() for part in pair])
        flagged = {k: getattr(args, flag) for flag, k in FLAG_KEYS.items() if getattr(args, flag)}
        flagged.pop("SEED")
        cfg.merge_from_list([part for pair in flagged.items() for part in pair] + args.opts)
        typed = dict(zip(args.opts[::2], args.opts[1::2], strict=True))
        return Asked(args, cfg, TRAINER_REGISTRY.get(trainer), typed)

    return call


def test_every_rule_has_an_example():
    assert set(FLAGS) == {rule.name for rule in FLAG_RULES}
    assert set(DATA) == {rule.name for rule in DATA_RULES}


@pytest.mark.parametrize(("name", "trainer", "words", "yaml", "says"), ROWS)
def test_a_contradiction_breaks_its_rule_alone(name, trainer, words, yaml, says, asked):
    """One line that says the words of both sides."""
    (rule,) = (rule for rule in FLAG_RULES if rule.name == name)
    refusals, notices = lines_of(FLAG_RULES, asked(trainer, words, yaml))
    (line,) = refusals if rule.refused else notices
    assert bool(refusals) == rule.refused and "\n" not in line
    for word in says.replace("DIR", "/").split():
        assert word.replace("_", " ") in line.replace("_", " "), line


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        ("CoOp", ()),
        ("CoOp", ("--no-train", "--resume", "DIR")),
        ("CoOp", ("--seed", "1", "SEED", "1")),
        ("CoOp", (*TEST, "--load-epoch", "50", "DATASET.NUM_SHOTS", "0", "OPTIM.MAX_EPOCH", "0")),
        ("CoOp", ("--eval-only", "--untrained")),
        ("CoOp", ("--old-data-path", "/a", "--new-data-path", "/b", "MODEL.INIT_WEIGHTS", "x")),
        ("ZeroshotCLIP", ("--eval-only",)),
        ("ZeroshotCLIP", ("--eval-only", "--model-dir", "nowhere")),
        ("LinearProbe", ("DATASET.NUM_SHOTS", "-1", "TEST.NO_TEST", "True")),
    ],
)
def test_what_goes_together_gets_no_line(trainer, words, asked):
    assert lines_of(FLAG_RULES, asked(trainer, words)) == ([], [])


def test_a_public_trainer_may_load_for_itself(asked):
    mine = type("Mine", (), {})
    found = asked("CoOp", ("--eval-only",))
    mine_asked = Asked(found.args, found.cfg, mine, found.typed)
    assert lines_of(FLAG_RULES, mine_asked) == ([], [])


def item(path):
    return SimpleNamespace(impath=path)


def trainer_of(*, val=("v",), models=("learner",), found=True, domains=()):
    data = SimpleNamespace(val=list(map(item, val)), test=[item("t")], domains=list(domains))
    return SimpleNamespace(
        dm=SimpleNamespace(dataset=data),
        val_loader=list(val) or None,
        _models=dict.fromkeys(models),
        can_resume=lambda folder: found,
    )


BEST = ("TEST.FINAL_MODEL", "best_val")
DATA = {
    "the best by validation images that are not there": (BEST, {"val": ()}, "last step"),
    "the best by test images": (BEST, {"val": ("t",)}, "are test images"),
    "a test of validation images that are not there": (
        (*TEST, "TEST.SPLIT", "val"),
        {"val": ()},
        "use test",
    ),
    "a folder to go on from that holds nothing": (
        ("--resume", "DIR"),
        {"found": False},
        "no checkpoint of learner",
    ),
    "a test of a public trainer's tensors as they start": (("--eval-only",), {}, "learner"),
    "results by task of one task": (("TEST.PER_TASK_RESULT", "True"), {}, "is one task"),
    "domains of a dataset without any": (
        ("DATASET.SOURCE_DOMAINS", "('a',)"),
        {},
        "--source-domains",
    ),
}


@pytest.mark.parametrize("name", DATA)
def test_what_the_data_contradict_is_told(name, asked):
    words, built, says = DATA[name]
    (rule,) = (rule for rule in DATA_RULES if rule.name == name)
    found = asked("CoOp", words)
    if "public" in name:
        found = Asked(found.args, found.cfg, type("Mine", (), {}), found.typed)
    refusals, notices = lines_of(DATA_RULES, Built(found, trainer_of(**built)))
    (line,) = refusals if rule.refused else notices
    assert bool(refusals) == rule.refused and says.replace("_", " ") in line.replace("_", " ")


def test_data_that_fit_get_no_line(asked):
    for words in (BEST, ("--resume", "DIR"), (*TEST, "TEST.SPLIT", "val")):
        assert lines_of(DATA_RULES, Built(asked("CoOp", words), trainer_of())) == ([], [])


def test_a_key_that_does_not_count_is_told_with_its_reason(asked):
    words = ("OPTIM.WARMUP_CONS_LR", "0.1", "OPTIM.MOMENTUM", "0.5", "INPUT.CUTOUT_N", "2")
    found = asked("CoOp", (*words, "MODEL.HEAD.BN", "False", "OPTIM.LR", "0.1"))
    assert idle_notices(found.cfg, found.typed) == [
        "Notice: OPTIM.WARMUP_CONS_LR does not count with OPTIM.WARMUP_EPOCH -1",
        "Notice: OPTIM.MOMENTUM does not count with OPTIM.NAME adam",
        "Notice: INPUT.CUTOUT_N does not count with INPUT.TRANSFORMS ()",
        "Notice: MODEL.HEAD.BN is not read by any method here",
    ]


def test_idle_keys_are_keys_of_the_config(asked):
    from dassl.config import all_keys

    known = set(all_keys(asked("CoOp", ()).cfg))
    named = {key for idle in IDLE for key in (*idle.names(), idle.needs)} | set(FOR_OTHERS)
    assert named <= known


def test_no_line_of_the_published_scripts_breaks_a_rule(tmp_path, monkeypatch):
    """All command lines that scripts/ gives out; some differ in names alone."""
    monkeypatch.setattr("pathlib.Path.is_dir", lambda path: True)
    cases = [*test_scripts.CASES, *test_scripts_seeds.CASES]
    lines = {line for _, expected in cases for line in expected if line.startswith("train.py")}
    kinds = {}
    for line in lines:
        args = build_parser().parse_args(line.split()[1:])
        kinds.setdefault((args.config_file, args.eval_only, tuple(args.opts[::2])), args)
    assert len(kinds) > 40
    for args in kinds.values():
        asked, notices = read_command(args)
        assert not [n for n in notices if "could not be imported" not in n], args
        assert asked.tests or asked.trains


def test_flags_behind_the_options_are_named_all_at_once():
    words = ["OPTIM.LR", "0.1", "--seed", "2", "--no-such", "OPTIM.MAX_EPOCH", "-1"]
    with pytest.raises(UserError) as caught:
        build_config("CoOp", [], {}, words)
    first, second = caught.value.problems
    assert first.startswith("--seed: flags stand before the KEY VALUE options")
    assert "before OPTIM.LR" in first and second.startswith("--no-such")


@pytest.mark.parametrize(
    ("name", "eps"), [("CoOp", 1e-8), ("TCPDePT", 1e-3), ("TipAdapterF", 1e-4)]
)
def test_a_methods_own_eps_gives_way_to_a_typed_one(name, eps):
    optim = [build_config(name, [], {}, w)[0].cfg.OPTIM for w in ([], ["OPTIM.ADAM_EPS", "1e-6"])]
    assert [o.ADAM_EPS for o in optim] == [eps, 1e-6]
