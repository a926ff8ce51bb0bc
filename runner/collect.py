"""Find the runs below an output folder, whoever laid it out, and read what each has left."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runner.results import TaskResult

DONE, FAILED, RUNNING, MISSING = "done", "failed", "running", "missing"


@dataclass(frozen=True)
class Run:
    """One run that was found, or whose folder is there without a result.

    Attributes:
        experiment: folder that holds the layout, e.g. `maple_dept`; with an archive's
            checkpoints `maple_dept/weights-<archive>`; a folder of a grid behind a slash too.
        layout: `runner` (`<step>/<trainer>/<dataset>/shots<K>/<yaml>/seed<S>`), `scripts`.
        mode: `b2n`, `xd`, `dg`, `fs`, `mt`; empty where the folder does not say it. `xd` holds the
            training on the source, which `dg` shares.
        cfg: name of the trainer's YAML, with what the scripts' folder names say beside it.
        shots: 0 where nothing names them.
        seed: -1 where nothing names one (zero-shot of the scripts).
        subset: classes tested: `base`, `new`, `all`.
        accuracy, error_rate, macro_f1, val_accuracy: percent, None where not known.
        seconds: of `build`, `train`, `test`, and what else result.json lists.
        state: `done`; `failed` (`reason` says what is known); `running`; `missing` (there is a
            folder, no result and no sign of a failure).
        from_log: the numbers are those of log.txt, of one or two decimals.
        versions: of Python and packages.
        config: the log.txt that holds the run's configuration, None if there is none.
        split_note: who made the dataset's split file, empty for the published one.
    """

    experiment: str
    layout: str
    mode: str
    trainer: str
    cfg: str
    dataset: str
    shots: int
    seed: int
    subset: str
    folder: Path
    state: str
    reason: str = ""
    from_log: bool = False
    accuracy: float | None = None
    error_rate: float | None = None
    macro_f1: float | None = None
    val_accuracy: float | None = None
    tasks: tuple[TaskResult, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    trainable_parameters: int | None = None
    num_test: int | None = None
    epochs: int | None = None
    key: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    device: str = ""
    config: Path | None = None
    split_note: str = ""


def collect(folder: Path) -> list[Run]:
    """Return every run below `folder`, also failed ones, sorted by where they lie.

    Raises:
        UserError: no such folder, not readable, or no run in it; one line.
    """
    raise NotImplementedError
