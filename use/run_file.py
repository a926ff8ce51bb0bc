"""`run.yaml`: the config of a run and the classes it tells apart, from which its model can be built
again without the dataset."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode  # type: ignore[import-untyped]

from dassl.config import get_cfg_default, merge_checked
from dassl.utils.errors import BadFileError, MissingFileError
from dassl.utils.files import atomic_write
from trainers.parts.backbone import tower_digest
from trainers.parts.classes import ClassSpace
from trainers.parts.options import OPTIONS
from trainers.parts.run_rules import Asked
from trainers.parts.trainer import own_keys

FILE_NAME = "run.yaml"
FORMAT = 1


@dataclass(frozen=True)
class RunFile:
    """What `run.yaml` holds.

    Attributes:
        config: option -> value, as a tree, without other methods' options.
        space: the classes of the run.
        model_dir: the folder whose checkpoints were tested; "" for a run that trained its own.
        epoch: the epoch of those checkpoints, as `--load-epoch`.
        image_tower: digest of CLIP's image tower; "" where it is not known.
    """

    config: dict[str, Any]
    space: ClassSpace
    model_dir: str = ""
    epoch: int | None = None
    image_tower: str = ""

    def cfg(self) -> CfgNode:
        """The config, not frozen.

        Raises:
            BadFileError: it has options that are not known here.
        """
        cfg = get_cfg_default()
        cfg.DATASET.SUBSAMPLE_CLASSES = "all"
        OPTIONS.extend(cfg)
        problems = merge_checked(cfg, FILE_NAME, self.config)
        if problems:
            raise BadFileError(problems)
        return cfg


def write_run_file(
    cfg: CfgNode, trainer: Any, *, model_dir: str = "", epoch: int | None = None
) -> Path:
    """Writes `<OUTPUT_DIR>/run.yaml`, whole or not at all.

    Args:
        model_dir: the folder of the checkpoints, for a run that only tests.
        epoch: what `--load-epoch` said.

    Raises:
        UserError: the file cannot be written.
    """
    declared = hasattr(type(trainer), "options")
    kept = OPTIONS.without_foreign(cfg, own_keys(type(trainer))) if declared else cfg
    content = {
        "format": FORMAT,
        "config": {k: v for k, v in _plain(kept).items() if k not in ("OUTPUT_DIR", "RESUME")},
        "classes": _classes(ClassSpace.of(trainer.dm.dataset)),
        "model_dir": str(Path(model_dir).resolve()) if model_dir else "",
        "epoch": epoch,
        "image_tower": image_tower(trainer),
    }
    path = Path(cfg.OUTPUT_DIR) / FILE_NAME
    atomic_write(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return path


def keep_run(asked: Asked, trainer: Any) -> Callable[[], None]:
    """What train.py does for later use: writes `run.yaml`, and with `--save-predictions` has the
    test recorded.

    Returns:
        what is to be called when the run is done.
    """
    tested = asked.args if asked.tests else None
    write_run_file(
        asked.cfg,
        trainer,
        model_dir=tested.model_dir if tested else "",
        epoch=tested.load_epoch if tested else None,
    )
    if not asked.flag("save_predictions"):
        return lambda: None
    from use.recording import record_test

    return record_test(trainer)


def read_run_file(folder: Path) -> RunFile:
    """The `run.yaml` of a run's folder.

    Raises:
        MissingFileError: (a UserError) there is none.
        BadFileError: (a UserError) it is cut short or another file.
    """
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; give the output folder of a run")
    if not path.is_file():
        raise MissingFileError(
            f"{folder} has no {FILE_NAME}, which train.py writes; for a published checkpoint give "
            f"--trainer, --config-file, --dataset-config-file and --classnames"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        classes = content["classes"]
        all_ids = tuple(classes.get("all_class_ids", ()))
        space = replace(ClassSpace.from_plain(classes), all_ids=all_ids)
        found = [content[key] for key in ("model_dir", "epoch", "image_tower")]
        return RunFile(dict(content["config"]), space, *found)
    except (yaml.YAMLError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise BadFileError(
            f"{path} is no whole {FILE_NAME} ({reason}); run train.py again"
        ) from error


def image_tower(trainer: Any) -> str:
    """The digest of a trainer's image tower; "" for a trainer of another engine, and in bfloat16,
    which rounds the weights."""
    model: Any = getattr(trainer, "model", None)
    precision = getattr(trainer, "precision", None)
    if not hasattr(model, "clip") or getattr(precision, "name", "bf16") == "bf16":
        return ""
    return tower_digest(model.clip.visual)


def _classes(space: ClassSpace) -> dict[str, Any]:
    plain = space.to_plain()
    if space.tasks:
        plain["tasks"] = [[t.name, t.start, t.end, t.template] for t in space.tasks]
    if space.all_ids:
        plain["all_class_ids"] = list(space.all_ids)
    return plain


def _plain(node: Mapping[str, Any]) -> dict[str, Any]:
    """A config tree of dicts and lists."""
    return {
        key: _plain(value)
        if isinstance(value, Mapping)
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in node.items()
    }
