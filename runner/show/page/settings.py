"""The configuration of a run, read from the head of its log.txt."""

import ast
import itertools
from dataclasses import dataclass, field
from pathlib import Path

from runner.files.records import read_record
from runner.results.runs import Run

_MOST_LINES = 600
_PRECISION = "PREC"
_OF_THE_PROTOCOL = ("DATASET.NUM_SHOTS", "DATASET.SUBSAMPLE_CLASSES")  # words the runner adds


@dataclass(frozen=True)
class Settings:
    """What a log's head says.

    Attributes:
        arguments: of train.py.
        values: the configuration by dotted key.
    """

    arguments: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    @property
    def options(self) -> str:
        """KEY VALUE words beside the YAML files, without those that the protocol adds."""
        text = self.arguments.get("opts", "")
        try:
            words = [str(word) for word in ast.literal_eval(text)]
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            return text
        pairs = zip(words[::2], words[1::2], strict=False)
        return " ".join(f"{key} {value}" for key, value in pairs if key not in _OF_THE_PROTOCOL)

    def node(self, trainer: str) -> str:
        """Return the node of the configuration that holds a trainer's own values."""
        plain = trainer.removesuffix("DePT").upper()
        node = {
            **{"SOFTCPT": "MTCOOP", "SOFTCPTHARD": "MTCOOPH", "CLIPADAPTER": "CLIP_ADAPTER"},
            **{"MMA": "MMADAPTER", "MMRLPP": "MMRLpp", "TCP": "COOP"},
        }
        return f"TRAINER.{node.get(plain, plain)}"


def read(path: Path | None) -> Settings:
    """Return what a log says, nothing where there is none or it is another program's."""
    settings = Settings()
    if path is None:
        return settings
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            _read(settings, [line.rstrip("\n") for line in itertools.islice(file, _MOST_LINES)])
    except OSError:
        pass
    return settings


def _read(settings: Settings, lines: list[str]) -> None:
    part, above = "", [""]
    for line in lines:
        if line.startswith("** "):
            part = line.strip("* ")
        elif part == "Config" and not line.startswith("*"):
            if ":" not in line or line.lstrip().startswith("Collecting"):
                return
            depth = (len(line) - len(line.lstrip())) // 2
            name, _, value = line.strip().partition(":")
            above[depth:] = [name]
            if value.strip():
                settings.values[".".join(above)] = value.strip()
        elif part == "Arguments" and ": " in line:
            name, _, value = line.partition(": ")
            settings.arguments[name] = value.strip()


def precision(run: Run, settings: Settings) -> str:
    """Return the precision that a run had, as its result says, else its configuration."""
    said = read_record(run.folder).get("precision")
    own = f"{settings.node(run.trainer)}.{_PRECISION}"
    return str(said or settings.values.get(own) or "")


def backbone(run: Run, settings: Settings) -> str:
    """Return the image tower's name, by the log, else by the YAML's name; empty if not known."""
    if said := settings.values.get("MODEL.BACKBONE.NAME"):
        return Path(said).name if said.count("/") > 1 else said
    for start, name in (("vit_b16", "ViT-B/16"), ("rn50_", "RN50"), ("vit_b32", "ViT-B/32")):
        if f"{run.cfg}_".startswith(start):
            return name
    return ""


def joint_part(run: Run, settings: Settings) -> str:
    """Return which variant of a trainer for joint datasets it is, by its configuration; empty for
    other trainers and where nothing says it."""
    node = settings.node(run.trainer)
    if node == "TRAINER.MTCOOP" and f"{node}.CSC" in settings.values:
        by_class, class_csc, task_csc = (
            settings.values.get(f"{node}.{key}") == "True"
            for key in ("CSC", "CLASS_CSC", "TASK_CSC")
        )
        class_part = ("CS" if class_csc else "CA") if by_class else "NA"
        return f"{class_part}{'TS' if task_csc else 'TA'}"
    if node == "TRAINER.MTCOOPH" and f"{node}.CSC" in settings.values:
        flags = [settings.values.get(f"{node}.{key}") for key in ("CSC", "TSC")]
        return "shared" if flags == ["False", "False"] else "by class or task"
    return ""
