"""What the path of a run's folder says: the layouts of this runner (and the published one, which
has the same) and of the shell scripts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.files.consoles import console_file
from runner.files.records import number
from runner.plan import demo
from runner.results.lines import VARIANTS

TOGETHER = "gb2n"
RUNNER, SCRIPTS, OTHER = "runner", "scripts", "other"
SOURCES = ("imagenet", demo.DATASETS[0])  # of xd and dg
LOOKED_FOR = (
    "[train_base|test_new|...]/<trainer>/<dataset>/shots<K>/<yaml>/seed<S> (parallel_runner.py) or "
    "a folder of the shell scripts, such as base2new/train_base/<dataset>/shots_<K>/<trainer>/"
    "<yaml>/seed<S>"
)
_STEPS = {  # of the runner: mode, classes tested
    "train_base": ("b2n", "base"),
    "test_base": ("b2n", "base"),
    "test_new": ("b2n", "new"),
    "test_both": (TOGETHER, "all"),
    "train_all": ("fs", "all"),
    "test_all": ("fs", "all"),
}
_LAYOUTS = (
    (RUNNER, "", "[<step>/]<trainer>/<dataset>/shots<shots>/<cfg>/seed<seed>"),
    # MaPLe's, PromptSRC's and KgCoOp's, which has its weight behind the shots
    (
        *(SCRIPTS, "b2n"),
        "[base2new/]<step>/<dataset>/shots_<shots>[_<more>]/<trainer>/<cfg>/seed<seed>",
    ),
    # SoftCPT's
    (SCRIPTS, "b2n", "base2new/<dataset>/<trainer>/<cfg>_<shots>shots/<more>/<half>/seed<seed>"),
    (SCRIPTS, "xd", "evaluation/<trainer>/<cfg>_<shots>shots/[<more>/]<dataset>/seed<seed>"),
    # few-shot of all, and the trainings on ImageNet that the evaluations load
    (SCRIPTS, "fs", "[few_shot/]<dataset>/<trainer>/<cfg>_<shots>shots/[<more>/]seed<seed>"),
    (SCRIPTS, "b2n", "[base2new/]<untrained>/<cfg>/<half>/<dataset>"),
    (SCRIPTS, "fs", "[base2new/]<untrained>/<cfg>/<dataset>"),
)
"""Layout, mode, and the end of a path, where what is in brackets may be absent; the first that fits
holds."""
_PARTS = {
    **{"step": "|".join(_STEPS), "half": "base|new", "untrained": "ZeroshotCLIP2?"},
    **{"shots": r"\d+", "seed": r"\d+"},
}


def _compiled(layout: str) -> re.Pattern[str]:
    text = layout.replace("[", "(?:").replace("]", ")?")
    text = re.sub("<(.*?)>", lambda part: f"(?P{part[0]}{_PARTS.get(part[1], '[^/]+')})", text)
    return re.compile(f"(?<=/){text}$")


_PATTERNS = [(layout, mode, _compiled(text)) for layout, mode, text in _LAYOUTS]


@dataclass(frozen=True)
class Place:
    """What a path says of a run.

    Attributes:
        row: by column of the table of runs; `mode` is empty for the folders without a step, which
            hold `xd`, `dg` or older few-shot runs.
        tests_only: whether nothing is trained; None where the path does not say it.
        depth: how many of the path's last parts the layout fills.
    """

    row: Mapping[str, Any]
    tests_only: bool | None = None
    depth: int = 1

    def of_seed(self, seed: int) -> "Place":
        """Return the place of a folder beside it."""
        return replace(self, row={**self.row, "seed": seed})

    def root(self, folder: Path) -> Path:
        """Return the folder that holds the layout, of a run's folder at this place."""
        return folder.parents[self.depth - 1]

    def console(self, folder: Path) -> Path:
        """Return where the console file of the run in a folder at this place is, if it has one."""
        return console_file(self.root(folder), folder.parts[-self.depth :])


def place(parts: Sequence[str], *, with_seed: bool = True) -> Place | None:
    """Return what the end of a path says, None if it is no run's folder.

    Args:
        with_seed: the scripts for zero-shot CLIP make folders without, which look like the middle
            of others: such a folder is a run's only if it holds a result.
    """
    path = "/" + "/".join(parts[-9:])
    for layout, mode, pattern in _PATTERNS:
        if ("seed" in pattern.groupindex) == with_seed and (found := pattern.search(path)):
            return _place(layout, mode, found)
    return None


def by_hand(record: Mapping[str, Any]) -> Place:
    """Return what the result.json of a run says that no layout names."""
    shots, seed = number(record.get("shots")), number(record.get("seed"))
    row = {
        **{"layout": OTHER, "mode": "", "cfg": "", "trainer": str(record.get("trainer"))},
        **{"dataset": str(record.get("dataset") or ""), "shots": int(shots or 0)},
        **{"seed": -1 if seed is None else int(seed)},
        **{"subset": str(record.get("subsample_classes") or "all")},
    }
    return Place(row)


def _place(layout: str, mode: str, found: re.Match[str]) -> Place:
    fields = found.groupdict("")
    step = fields.get("step") or fields.get("half", "")
    trainer, dataset = fields.get("trainer") or fields["untrained"], fields["dataset"]
    known, subset = _STEPS.get(step, (mode, step or "all"))
    mode = mode or known
    if mode == "xd" and dataset in VARIANTS:
        mode = "dg"
    row = {
        **{"layout": layout, "mode": mode, "trainer": trainer, "dataset": dataset},
        **{"cfg": "_".join(filter(None, (fields["cfg"], fields.get("more", "").strip("_"))))},
        **{"shots": int(fields.get("shots", 0)), "seed": int(fields.get("seed", -1))},
        **{"subset": subset},
    }
    return Place(row, _tests_only(step, mode, trainer), len(found[0].split("/")))


def _tests_only(step: str, mode: str, trainer: str) -> bool | None:
    if step.startswith("test_") or step == "new" or trainer.startswith("Zeroshot"):
        return True
    if step.startswith("train_") or step == "base":
        return False
    return True if mode in ("xd", "dg") else None
