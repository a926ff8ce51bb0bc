"""An entry of configs.py, checked, with the YAML and options that hold for each run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runner.errors import UserError, did_you_mean

TRAIN_KEYS = frozenset(
    {"trainer", "cfg", "cfg_trainer", "shots", "seeds", "loadep", "opts", "zero_shot", "cases"}
)
CASE_KEYS = frozenset({"when", "cfg", "opts"})
WHEN_KEYS = frozenset({"mode", "shots", "dataset"})


@dataclass(frozen=True)
class Experiment:
    """One entry of configs.py; the meaning of the fields stands in its docstring."""

    name: str
    trainer: str
    cfg: str
    cfg_trainer: str
    shots: int
    seeds: tuple[int, ...]
    loadep: int
    opts: tuple[str, ...]
    zero_shot: bool
    datasets: Mapping[str, tuple[str, ...]]
    cases: tuple[Mapping[str, Any], ...] = field(default=())

    def settings(self, mode: str, shots: int, dataset: str) -> tuple[str, tuple[str, ...]]:
        """Return YAML name and options of one run: of the entry, then of the cases that hold."""
        cfg, opts = self.cfg, self.opts
        given = {"mode": mode, "shots": shots, "dataset": dataset}
        for case in self.cases:
            if all(_holds(wanted, given[key]) for key, wanted in case["when"].items()):
                cfg = case.get("cfg", cfg)
                opts = (*opts, *map(str, case.get("opts", ())))
        return cfg, opts


def _holds(wanted: Any, given: Any) -> bool:
    return given in wanted if isinstance(wanted, list | tuple) else given == wanted


def read_experiment(name: str, config: Mapping[str, Any]) -> Experiment:
    """Check an entry and return it.

    Raises:
        UserError: a key that does not exist or one that is missing, one line each.
    """
    unknown = [f"{key}: no such section" for key in config if key not in ("data", "train")]
    train = config.get("train", {})
    unknown += _unknown("train", train, TRAIN_KEYS)
    for case in train.get("cases", ()):
        unknown += _unknown("train.cases", case, CASE_KEYS)
        unknown += _unknown("train.cases.when", case.get("when", {}), WHEN_KEYS)
        if "when" not in case:
            unknown.append("train.cases: a case without `when`")
    unknown += [f"train.{key} is missing" for key in ("trainer", "cfg") if key not in train]
    if len(train.get("opts", ())) % 2:
        unknown.append("train.opts must be KEY VALUE words; their number is odd")
    if unknown:
        raise UserError([f"configs.py, {name}: {line}" for line in unknown])
    data = config.get("data", {})
    return Experiment(
        name=name,
        trainer=train["trainer"],
        cfg=train["cfg"],
        cfg_trainer=train.get("cfg_trainer", train["trainer"]),
        shots=train["shots"],
        seeds=tuple(train["seeds"]),
        loadep=train["loadep"],
        opts=tuple(map(str, train["opts"])),
        zero_shot=bool(train.get("zero_shot", False)),
        datasets={"b2n": tuple(data.get("datasets_base_to_new", ()))},
        cases=tuple(train.get("cases", ())),
    )


def _unknown(where: str, given: Mapping[str, Any], known: frozenset[str]) -> list[str]:
    return [f"{where}.{key}: no such key{did_you_mean(key, known)}" for key in given.keys() - known]


def trainer_yaml(repo: Path, experiment: Experiment, cfg: str) -> Path:
    """Return the YAML of a run: the trainer's own file, else that of the folder it borrows from.

    Raises:
        UserError: neither is there.
    """
    folders = [repo / "configs/trainers" / experiment.trainer]
    if experiment.cfg_trainer != experiment.trainer:
        folders.append(repo / "configs/trainers" / experiment.cfg_trainer)
    for folder in folders:
        if (folder / f"{cfg}.yaml").is_file():
            return folder / f"{cfg}.yaml"
    near = [path.stem for folder in folders for path in folder.glob("*.yaml")]
    raise UserError(
        f"configs.py, {experiment.name}: no file {folders[-1].relative_to(repo)}/{cfg}.yaml"
        f"{did_you_mean(cfg, near)}"
    )
