"""An entry of configs.py, checked, with the YAML and options that hold for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from runner.errors import UserError, did_you_mean
from runner.plan import demo
from runner.plan.grid import Axis, read_axes
from runner.plan.modes import DATASET_LISTS, DEFAULT_MODE, MODES, SETTINGS_MODES
from runner.plan.option_keys import key_problem

SECTIONS = {"data", "train", "mode", "modes", "in_all", "dept", "grid"}
DATA_KEYS = {"root", "source_dataset", *DATASET_LISTS}
TRAIN_KEYS = {
    *("trainer", "cfg", "cfg_trainer", "shots", "seeds", "loadep", "opts", "demo_opts"),
    *("cases", "zero_shot", "base_only", "multi_task"),
}
CASE_KEYS = {"when", "cfg", "opts"}
WHEN_KEYS = {"mode", "shots", "dataset"}


@dataclass(frozen=True, eq=False, kw_only=True)
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
    demo_opts: tuple[str, ...]
    cases: Sequence[Mapping[str, Any]] = ()
    zero_shot: bool = False
    base_only: bool = False
    multi_task: bool = False
    mode: str
    modes: tuple[str, ...]
    in_all: bool
    root: str
    source: str
    datasets: Mapping[str, tuple[str, ...]]
    grid: tuple[Axis, ...]

    def settings(self, mode: str, shots: int, dataset: str) -> tuple[str, tuple[str, ...]]:
        """Return YAML name and options of one run: of the entry, then of the cases that hold."""
        cfg, opts = self.cfg, self.opts
        given = {"mode": MODES[mode].settings, "shots": shots, "dataset": dataset}
        for case in self.cases:
            if all(given[key] in _listed(wanted) for key, wanted in case.get("when", {}).items()):
                cfg = case.get("cfg", cfg)
                opts = (*opts, *map(str, case.get("opts", ())))
        return cfg, opts


def read_experiment(name: str, config: Mapping[str, Any]) -> Experiment:
    """Check an entry and return it.

    Raises:
        UserError: a key that does not exist, one that is missing, or a mode that does not exist,
            one line each.
    """
    problems = _problems(config)
    if problems:
        raise UserError([f"configs.py, {name}: {line}" for line in problems])
    data, train = config.get("data", {}), {"demo_opts": (), **config["train"]}
    # What several tasks or a head of the trained classes have learned says nothing of other data.
    alone = train.get("base_only") or train.get("multi_task")
    modes = tuple(config.get("modes") or ()) or tuple(
        name for name, mode in MODES.items() if not (alone and (mode.transfer or mode.together))
    )
    train |= {key: tuple(map(str, train[key])) for key in ("opts", "demo_opts")}
    train |= {"seeds": tuple(train["seeds"])}
    return Experiment(
        name=name,
        mode=config.get("mode", DEFAULT_MODE if DEFAULT_MODE in modes else modes[0]),
        modes=modes,
        in_all=bool(config.get("in_all", True)),
        root=str(data.get("root", "")),
        source=data.get("source_dataset", ""),
        datasets={key: tuple(data.get(key, ())) for key in DATASET_LISTS},
        grid=tuple(read_axes(config.get("grid", {}))[0]),
        **{"cfg_trainer": train["trainer"], **train},
    )


def _problems(config: Mapping[str, Any]) -> list[str]:
    train, cases = config.get("train", {}), config.get("train", {}).get("cases", ())
    known = [
        ("", config, SECTIONS),
        ("data.", config.get("data", {}), DATA_KEYS),
        ("train.", train, TRAIN_KEYS),
        *(("train.cases.", case, CASE_KEYS) for case in cases),
        *(("train.cases.when.", case.get("when", {}), WHEN_KEYS) for case in cases),
    ]
    problems = [
        f"{where}{key}: no such key{did_you_mean(key, keys)}"
        for where, given, keys in known
        for key in given
        if key not in keys
    ]
    problems += [
        f"train.cases.when.mode: {mode}: must be one of {', '.join(SETTINGS_MODES)}, "
        "which hold for dg, fs-b2n and mt as well"
        for case in cases
        for mode in _listed(case.get("when", {}).get("mode", ()))
        if mode not in SETTINGS_MODES
    ]
    problems += [f"train.{key} is missing" for key in ("trainer", "cfg") if key not in train]
    for key in ("opts", "demo_opts"):
        if len(train.get(key, ())) % 2:
            problems.append(f"train.{key} must be KEY VALUE words; their number is odd")
    axes, wrong = read_axes(config.get("grid", {}))
    problems += wrong
    problems += [f"grid.{line}" for axis in axes if (line := key_problem(axis.key, swept=True))]
    modes = config.get("modes") or list(MODES)
    problems += [f"modes: {mode}: no such mode" for mode in modes if mode not in MODES]
    if config.get("mode", modes[0]) not in modes:
        problems.append(f"mode: {config['mode']}: must be one of {', '.join(modes)}")
    return problems


def _listed(wanted: Any) -> Sequence[Any]:
    return wanted if isinstance(wanted, list | tuple) else [wanted]


@lru_cache(maxsize=1024)
def trainer_yaml(repo: Path, entry: Experiment, cfg: str) -> Path:
    """Return the YAML of a run: the trainer's own file, else that of the folder it borrows from. In
    the demo a method without a file of its own takes the general one.

    Raises:
        UserError: there is none.
    """
    general = (demo.CFG_FOLDER,) if cfg == demo.CFG else ()
    folders = [
        repo / "configs/trainers" / each
        for each in dict.fromkeys((entry.trainer, entry.cfg_trainer, *general))
    ]
    for folder in folders:
        if (folder / f"{cfg}.yaml").is_file():
            return folder / f"{cfg}.yaml"
    near = [path.stem for folder in folders for path in folder.glob("*.yaml")]
    raise UserError(
        f"configs.py, {entry.name}: no file {folders[-1].relative_to(repo)}/{cfg}.yaml"
        f"{did_you_mean(cfg, near)}"
    )
