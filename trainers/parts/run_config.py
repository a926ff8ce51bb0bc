"""From the words of a command line to the frozen config of a run; every problem is reported at
once."""

import difflib
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from yacs.config import CfgNode

from dassl.config import get_cfg_default, merge_checked
from dassl.data.datasets import DATASET_REGISTRY
from dassl.engine import TRAINER_REGISTRY
from dassl.utils.discovery import BrokenModule
from dassl.utils.errors import UserError
from trainers.parts.backbone import PROJECT_ROOT, pair_values
from trainers.parts.idle_keys import idle_notices
from trainers.parts.options import OPTIONS
from trainers.parts.precision import NEEDS_CUDA
from trainers.parts.register import ALIASES, BROKEN
from trainers.parts.run_rules import FLAG_RULES, Asked, lines_of
from trainers.parts.trainer import own_keys

SUBSETS = ("all", "base", "new")
YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C, where PyYAML was built with it


def build_config(
    trainer_name: str,
    files: Sequence[str],
    flags: Mapping[str, Any],
    typed: Sequence[str],
    args: Namespace | None = None,
) -> tuple[Asked, list[str]]:
    """Merges, in this order: engine defaults, method options, the trainer's defaults, files, what a
    method publishes for the run's dataset, flags, typed pairs.

    Args:
        trainer_name: `--trainer`; "" leaves it to TRAINER.NAME of the files.
        files: YAML files, dataset first.
        flags: config keys that flags of the command line set.
        typed: KEY VALUE KEY VALUE ... of the command line.
        args: all flags of train.py, to judge by `FLAG_RULES`; None judges keys alone.

    Returns:
        what is asked for, its config not yet frozen, and notices to print.

    Raises:
        UserError: with one line for every unknown key, wrong type, unknown trainer, forbidden
            value or contradiction.
    """
    contents, problems = read_files([path for path in files if path])
    pairs = typed_pairs(typed)
    for _, content in contents:
        trainer_name = trainer_name or content.get("TRAINER.NAME", "")
    trainer_name = dict(pairs).get("TRAINER.NAME", trainer_name)
    unknown = trainer_problems(trainer_name)
    trainer = None if unknown else TRAINER_REGISTRY.get(trainer_name)

    cfg = get_cfg_default()
    cfg.DATASET.SUBSAMPLE_CLASSES = "all"
    OPTIONS.extend(cfg)
    typed_entries = {**flags, "TRAINER.NAME": trainer_name, **dict(pairs)}
    problems += unknown
    for source, entries in [
        (f"defaults of {trainer_name}", getattr(trainer, "defaults", {})),
        *contents,
        ("the command line", typed_entries),
    ]:
        converted = {key: OPTIONS.convert(key, value) for key, value in entries.items()}
        problems += merge_checked(cfg, source, converted, prefer=own_nodes(trainer))
    values = published_values(trainer, cfg, typed_entries)
    problems += merge_checked(cfg, f"published values of {trainer_name}", values)
    images, faults = pair_values(cfg, keys_by_hand(contents, typed_entries))
    problems += faults + merge_checked(cfg, cfg.MODEL.BACKBONE.NAME, images)
    problems += value_problems(trainer, cfg, dict(pairs))
    asked = Asked(args or Namespace(), cfg, trainer, dict(pairs))
    refusals, notices = lines_of(FLAG_RULES, asked) if args else ([], [])
    if problems or refusals:
        raise UserError(problems + refusals)
    published = [
        f"Notice: {key} {value}, as published for {cfg.DATASET.NAME}"
        for key, value in values.items()
    ]
    taken = [
        f"Notice: {key} {value}, as {cfg.MODEL.BACKBONE.NAME} was trained"
        for key, value in images.items()
    ]
    return asked, published + taken + notices + unread_notices(asked)


def keys_by_hand(
    contents: Sequence[tuple[str, Mapping[str, Any]]], typed: Mapping[str, Any]
) -> set[str]:
    """Keys that win over what a backbone says of its images: those of the command line, and those
    that stand in the file that names the backbone."""
    own = [content for _, content in contents if "MODEL.BACKBONE.NAME" in content]
    beside = own[-1] if own and "MODEL.BACKBONE.NAME" not in typed else {}
    return {*typed, *beside}


def published_values(
    trainer: Any, cfg: CfgNode, typed_entries: Mapping[str, Any]
) -> dict[str, Any]:
    """What a trainer sets for the run's dataset, without the keys that were set by hand."""
    values = trainer.dataset_values(cfg) if hasattr(trainer, "dataset_values") else {}
    return {key: value for key, value in values.items() if key not in typed_entries}


def read_files(paths: Sequence[str]) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Path and content of each YAML file, and a line for each that cannot be had."""
    contents: list[tuple[str, dict[str, Any]]] = []
    problems: list[str] = []
    for path in paths:
        try:
            file = find_config_file(path)
            contents.append((str(file), read_yaml(file)))
        except UserError as error:
            problems += error.problems
    return contents, problems


def value_problems(trainer: Any, cfg: CfgNode, typed: Mapping[str, str]) -> list[str]:
    """A line for each value that is of the right type and still not allowed."""
    problems = []
    if cfg.DATASET.SUBSAMPLE_CLASSES not in SUBSETS:
        problems.append(
            f"DATASET.SUBSAMPLE_CLASSES = {cfg.DATASET.SUBSAMPLE_CLASSES!r}: "
            f"use one of {', '.join(SUBSETS)}"
        )
    if trainer is None:
        return problems
    return (
        problems
        + OPTIONS.problems(cfg, sorted(own_keys(trainer)))
        + precision_problems(trainer, cfg, typed)
    )


def find_config_file(path: str) -> Path:
    """The YAML file; `configs/trainers/<name>/y.yaml` may say any name of the method, published or
    ours, plain or DePT.

    Raises:
        UserError: there is no such file; names the nearest one.
    """
    file = Path(path)
    for place in (file, PROJECT_ROOT / file):
        for name in folder_names(place.parent.name):
            candidate = place.parent.with_name(name) / place.name if name else place
            if candidate.is_file():
                return candidate
    siblings = [p.name for p in file.parent.glob("*.yaml")]
    nearest = difflib.get_close_matches(file.name, siblings, n=1)
    hint = f"; did you mean {file.parent / nearest[0]}?" if nearest else ""
    raise UserError(f"{path}: no such config file{hint}")


def folder_names(folder: str) -> list[str]:
    """The folders of configs/trainers that may hold a method's YAML, the given one first."""
    canonical = ALIASES.get(folder, folder)
    method = canonical.removesuffix("DePT")
    published = [alias for alias, name in ALIASES.items() if name == method]
    return [folder, canonical, method, *published]


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as dotted keys and values.

    Raises:
        UserError: it is not YAML, or not a tree of keys.
    """
    try:
        tree = yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise UserError(f"{path}: holds no KEY: value lines")
    return dict(_flatten(tree))


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def typed_pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    """KEY VALUE KEY VALUE ... as pairs.

    Raises:
        UserError: a key has no value, or a flag stands among them.
    """
    words = [word for word in words if word != "--"]
    flags = [word for word in words if word.startswith("--")]
    if flags:
        raise UserError(
            [
                f"{flag}: flags stand before the KEY VALUE options; put it, with its value, before "
                f"{words[0]}"
                for flag in flags
            ]
        )
    if len(words) % 2:
        raise UserError(f"{words[-1]}: options come as KEY VALUE pairs; the last one has no value")
    return list(zip(words[::2], words[1::2], strict=True))


def trainer_problems(name: str) -> list[str]:
    """A line if no trainer of that name is registered; says which files of trainers/ are broken."""
    known = TRAINER_REGISTRY.registered_names()
    return unknown_name("--trainer", name, known, BROKEN)


def dataset_problems(cfg: CfgNode, broken: Iterable[BrokenModule]) -> list[str]:
    """A line if no dataset of the config's name is registered, which says what dataset files are
    broken, and one if there is no data folder."""
    known = DATASET_REGISTRY.registered_names()
    problems = unknown_name("DATASET.NAME", cfg.DATASET.NAME, known, broken)
    if not cfg.DATASET.ROOT:
        problems.append("no data folder: give --root or set the environment variable DATA")
    return problems


def unknown_name(
    option: str, name: str, known: Sequence[str], broken: Iterable[BrokenModule]
) -> list[str]:
    """One line that names the option, the nearest known name and files that were not imported."""
    if name in known:
        return []
    hint = "; ".join(f"{b.path} could not be imported: {b.error}" for b in broken)
    if not name:
        return [f"{option} is empty: use one of {', '.join(sorted(known))}"]
    nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    meant = [f"did you mean {nearest[0]}?"] if nearest else []
    return [f"{option} {name}: " + "; ".join(["no such name", *meant, *filter(None, [hint])])]


def own_nodes(trainer: Any) -> tuple[str, ...]:
    """The config nodes that a trainer declares."""
    return tuple(options.node for options in getattr(trainer, "options", ()))


def precision_problems(trainer: Any, cfg: CfgNode, typed: Mapping[str, str]) -> list[str]:
    """A line if a precision that needs a GPU was asked for by hand on a machine without one."""
    key = getattr(trainer, "precision_key", "")
    wanted = typed.get(key)
    if wanted not in NEEDS_CUDA or (torch.cuda.is_available() and cfg.USE_CUDA):
        return []
    return [f"{key} {wanted}: needs a GPU and this run has none; use fp32 or bf16"]


def unread_notices(asked: Asked) -> list[str]:
    """A line for each key set by hand that this method, or this training, does not read."""
    if not asked.ours:
        return []  # a trainer written for the public engine does not say what it reads
    own = own_keys(asked.trainer)
    foreign = [key for key in asked.typed if key in OPTIONS and key not in own]
    lines = [f"Notice: {key} is not read by {asked.name}" for key in foreign]
    # a test gets the words of its training, and other programs read parts of the config
    training = asked.trains and hasattr(asked.args, "eval_only")
    return lines + (idle_notices(asked.cfg, asked.by_hand - set(foreign)) if training else [])
