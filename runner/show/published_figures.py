"""The accuracies that papers have printed, by protocol, method and number of shots."""

import csv
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "published"
AVERAGE = "average"
ZERO_SHOT = "ZeroshotCLIP"
SHOTS = 16  # of the tables that name none
BACKBONES = {"mt": "RN50"}  # other protocols: ViT-B/16
BACKBONE = "ViT-B/16"
_NAMES = {  # of trainers where they are not the published ones
    "ZeroshotCLIP": "CLIP",
    "CLIPAdapter": "CLIP-Adapter",
    "MMRLpp": "MMRL++",
    "TipAdapter": "Tip-Adapter",
    "TipAdapterF": "Tip-Adapter-F",
    "MTCoOp": "SoftCPT",
    "MTCoOpHard": "SoftCPTHard",
}
_JOINT_NAMES = {"CLIP": "ZS-CLIP", "LinearProbe": "LP-CLIP", "SoftCPTHard shared": "CoOp-MT"}
_SAME = {"VPT deep": "VPT"}
_MEASURES = {"base": "base", "new": "new", "hm": "H", "accuracy": "accuracy"}


@dataclass(frozen=True)
class Source:
    """What one source prints of one method.

    Attributes:
        name: as in the table, e.g. `CoOp (re-run in DePT)`.
        origin: where it was read.
        values: (row, measure) -> percent; rows are datasets and AVERAGE, measures `base`, `new`,
            `H` or `accuracy`.
    """

    name: str
    origin: str
    values: Mapping[tuple[str, str], float]


def find(mode: str, trainer: str, shots: int, *, joint: str = "", part: str = "") -> list[Source]:
    """Return what is published of a trainer, nothing where nothing is.

    Args:
        mode: `b2n`, `xd`, `dg`, `fs`, or `mt` with the name of the `joint` dataset.
        part: which variant of a trainer for joint datasets: `NATA`, `shared`.
    """
    plain = trainer.removesuffix("DePT")
    name = _NAMES.get(plain, plain)
    if mode == "mt":
        name = f"{name}{'-' if name == 'SoftCPT' else ' '}{part}" if part else name
        name = _JOINT_NAMES.get(name, name)
    name += "+DePT" if plain != trainer else ""
    if plain == ZERO_SHOT and mode != "fs":
        shots = 0 if mode == "mt" else SHOTS
    tables = {
        **{"b2n": "base_to_new" if shots == SHOTS else "few_shot_base_to_new"},
        **{"xd": "cross_dataset", "dg": "domain_generalization"},
        **{"fs": "few_shot", "mt": "softcpt"},
    }
    return _sources(tables[mode]).get((joint, name, shots), []) if mode in tables else []


@functools.cache
def _sources(table: str) -> dict[tuple[str, str, int], list[Source]]:
    """Return the sources in a file by joint dataset, method and number of shots."""
    found: dict[tuple[str, str, int], dict[str, list[dict[str, str]]]] = {}
    with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shots, name = row.get("shots", str(SHOTS)), row["method"]
            # averages over shots, and other backbones than that of the runs, stand beside nothing
            if shots.isdigit() and row.get("backbone", BACKBONE) == BACKBONE:
                method = name.split(" (")[0]  # without what tells its sources apart
                key = (row.get("benchmark", ""), _SAME.get(method, method), int(shots))
                found.setdefault(key, {}).setdefault(name, []).append(row)
    return {
        key: [_source(name, rows) for name, rows in names.items()] for key, names in found.items()
    }


def _source(name: str, rows: Sequence[Mapping[str, str]]) -> Source:
    values = {
        (row.get("dataset") or row.get("target_dataset") or AVERAGE, measure): float(row[column])
        for row in rows
        for column, measure in _MEASURES.items()
        if row.get(column)
    }
    return Source(name, "; ".join(dict.fromkeys(row["source"] for row in rows)), values)
