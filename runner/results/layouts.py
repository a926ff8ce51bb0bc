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
_STEP = "|".join(_STEPS)
_SEED = r"seed(?P<seed>\d+)"
_YAML_SHOTS = r"(?P<cfg>[^/]+)_(?P<shots>\d+)shots"
_RUN = rf"(?P<trainer>[^/]+)/(?P<dataset>[^/]+)/shots(?P<shots>\d+)/(?P<cfg>[^/]+)/{_SEED}"
_PATTERNS = [  # the first that fits the end of a path holds
    (RUNNER, "", re.compile(rf"(?:(?P<step>{_STEP})/)?{_RUN}")),
    *(
        (SCRIPTS, mode, re.compile(pattern))
        for mode, pattern in (
            # MaPLe's, PromptSRC's and KgCoOp's, which has its weight behind the shots
            (
                "b2n",
                r"(?:base2new/)?(?P<step>train_base|test_base|test_new)/(?P<dataset>[^/]+)/"
                rf"shots_(?P<shots>\d+)(?P<more>_[^/]+)?/(?P<trainer>[^/]+)/(?P<cfg>[^/]+)/{_SEED}",
            ),
            # SoftCPT's
            (
                "b2n",
                rf"base2new/(?P<dataset>[^/]+)/(?P<trainer>[^/]+)/{_YAML_SHOTS}/(?P<more>[^/]+)/"
                rf"(?P<step>base|new)/{_SEED}",
            ),
            (
                "xd",
                rf"evaluation/(?P<trainer>[^/]+)/{_YAML_SHOTS}/(?:(?P<more>[^/]+)/)?"
                rf"(?P<dataset>[^/]+)/{_SEED}",
            ),
            # few-shot of all, and the trainings on ImageNet that the evaluations load
            (
                "fs",
                rf"(?:few_shot/)?(?P<dataset>[^/]+)/(?P<trainer>[^/]+)/{_YAML_SHOTS}/"
                rf"(?:(?P<more>[^/]+)/)?{_SEED}",
            ),
        )
    ),
]
_ZERO_SHOT = re.compile(
    r"(?:base2new/)?(?P<trainer>ZeroshotCLIP2?)/(?P<cfg>[^/]+)/(?:(?P<step>base|new)/)?"
    r"(?P<dataset>[^/]+)"
)
_CONSOLE = re.compile(
    rf"(?:(?P<step>{_STEP})-)?(?P<trainer>[^-]+)-(?P<dataset>[^-]+)-shots(?P<shots>\d+)-"
    rf"(?P<cfg>.+)-{_SEED}\.txt"
)


@dataclass(frozen=True)
class Place:
    """What a path says of a run.

    Attributes:
        mode: empty for the folders without a step, which hold `xd`, `dg` or older few-shot runs.
        tests_only: whether nothing is trained; None where the path does not say it.
        depth: how many of the path's last parts the layout fills.
    """

    layout: str
    mode: str
    trainer: str
    cfg: str
    dataset: str
    shots: int
    seed: int
    subset: str
    tests_only: bool | None
    depth: int

    def of_seed(self, seed: int) -> "Place":
        """Return the place of a folder beside it."""
        return replace(self, seed=seed)

    def root(self, folder: Path) -> Path:
        """Return the folder that holds the layout, of a run's folder at this place."""
        return folder.parents[self.depth - 1]

    def console(self, folder: Path) -> Path:
        """Return where the console file of the run in a folder at this place is, if it has one."""
        return console_file(self.root(folder), folder.parts[-self.depth :])


def place(parts: Sequence[str]) -> Place | None:
    """Return what the end of a path says, None if it is no run's folder."""
    path = "/" + "/".join(parts[-9:])
    for layout, mode, pattern in _PATTERNS:
        if found := re.search(rf"(?<=/){pattern.pattern}$", path):
            return _place(layout, mode, found)
    return None


def zero_shot_place(parts: Sequence[str]) -> Place | None:
    """Return what a path without a seed says, as the scripts for zero-shot CLIP make them; they
    look like the middle of others, so that such a folder is a run's only if it holds a result."""
    found = re.search(rf"(?<=/){_ZERO_SHOT.pattern}$", "/" + "/".join(parts[-9:]))
    if not found:
        return None
    return _place(SCRIPTS, "b2n" if found["step"] else "fs", found)


def by_hand(record: Mapping[str, Any]) -> Place:
    """Return what the result.json of a run says that no layout names."""
    shots, seed = number(record.get("shots")), number(record.get("seed"))
    return Place(
        layout=OTHER,
        mode="",
        trainer=str(record.get("trainer")),
        cfg="",
        dataset=str(record.get("dataset") or ""),
        shots=int(shots or 0),
        seed=-1 if seed is None else int(seed),
        subset=str(record.get("subsample_classes") or "all"),
        tests_only=None,
        depth=1,
    )


def console_place(name: str) -> tuple[Place, tuple[str, ...]] | None:
    """Return what the name of a file in the runner's `console` folder says, and the run's folder
    below the one that holds `console`."""
    found = _CONSOLE.fullmatch(name)
    if not found:
        return None
    made = _place(RUNNER, "", found)
    step = (found["step"],) if found["step"] else ()
    run = (made.trainer, made.dataset, f"shots{made.shots}", made.cfg, f"seed{made.seed}")
    return made, (*step, *run)


def _place(layout: str, mode: str, found: re.Match[str]) -> Place:
    fields = found.groupdict()
    step = fields.get("step") or ""
    known, subset = _STEPS.get(step, (mode, step or "all"))
    mode = mode or (known if step else "")
    dataset = fields["dataset"]
    if mode == "xd" and dataset in VARIANTS:
        mode = "dg"
    more = (fields.get("more") or "").strip("_")
    return Place(
        layout=layout,
        mode=mode,
        trainer=fields["trainer"],
        cfg=f"{fields['cfg']}_{more}" if more else fields["cfg"],
        dataset=dataset,
        shots=int(fields.get("shots") or 0),
        seed=int(fields.get("seed") or -1),
        subset=subset,
        tests_only=_tests_only(step, mode, fields["trainer"]),
        depth=len(found[0].split("/")),
    )


def _tests_only(step: str, mode: str, trainer: str) -> bool | None:
    if step.startswith("test_") or step == "new" or trainer.startswith("Zeroshot"):
        return True
    if step.startswith("train_") or step == "base":
        return False
    return True if mode in ("xd", "dg") else None
