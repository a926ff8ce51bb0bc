"""The accuracies that papers have printed, by protocol, method and number of shots."""

import csv
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.results.tables import harmonic_mean

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
_ROUNDING = 0.02  # between a printed H and that of the printed base and new


@dataclass(frozen=True)
class Source:
    """What one source prints of one method.

    Attributes:
        name: as in the table, e.g. `CoOp (re-run in DePT)`.
        origin: where it was read.
        values: (row, measure) -> percent; rows are datasets and AVERAGE, measures `base`, `new`,
            `H` or `accuracy`.
        odd: rows whose H is not that of their base and new.
    """

    name: str
    origin: str
    values: Mapping[tuple[str, str], float]
    odd: frozenset[str] = frozenset()


def find(mode: str, trainer: str, shots: int, *, joint: str = "", part: str = "") -> list[Source]:
    """Return what is published of a trainer, nothing where nothing is.

    Args:
        mode: `b2n`, `xd`, `dg`, `fs`, or `mt` with the name of the `joint` dataset.
        part: which variant of a trainer for joint datasets: `NATA`, `shared`.
    """
    dept = trainer.endswith("DePT")
    plain = trainer.removesuffix("DePT")
    name = _NAMES.get(plain, plain)
    zero_shot = plain == ZERO_SHOT
    if mode == "mt":
        name = f"{name}{'-' if name == 'SoftCPT' else ' '}{part}" if part else name
        name = "" if dept else _JOINT_NAMES.get(name, name)
        return _sources("softcpt").get((joint, name, 0 if zero_shot else shots), [])
    name += "+DePT" if dept else ""
    if mode == "fs":
        return _sources("few_shot").get((name, shots), [])
    if shots == SHOTS or zero_shot:
        tables = {"b2n": "base_to_new", "xd": "cross_dataset", "dg": "domain_generalization"}
        return _sources(tables[mode]).get((name, SHOTS), []) if mode in tables else []
    return _sources("few_shot_base_to_new").get((name, shots), []) if mode == "b2n" else []


def _method(printed: str) -> str:
    """Return a method's name without what tells its sources apart."""
    name = printed.split(" (")[0]
    return _SAME.get(name, name)


@functools.cache
def _sources(table: str) -> dict[tuple[object, ...], list[Source]]:
    """Return the sources in a file by what is asked for."""
    found: dict[tuple[object, ...], dict[str, list[dict[str, str]]]]
    found = defaultdict(lambda: defaultdict(list))
    with (FOLDER / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            shots = row.get("shots", str(SHOTS))
            # averages over shots, and other backbones than that of the runs, stand beside nothing
            if not shots.isdigit() or row.get("backbone", BACKBONE) != BACKBONE:
                continue
            key: tuple[object, ...] = (_method(row["method"]), int(shots))
            if "benchmark" in row:
                key = (row["benchmark"], row["method"], int(shots))
            found[key][row["method"]].append(row)
    return {
        key: [_source(name, rows) for name, rows in names.items()] for key, names in found.items()
    }


def _source(name: str, rows: Iterable[Mapping[str, str]]) -> Source:
    values: dict[tuple[str, str], float] = {}
    odd, origins = set(), []
    for row in rows:
        line = row.get("dataset") or row.get("target_dataset") or AVERAGE
        printed = {m: float(row[c]) for c, m in _MEASURES.items() if row.get(c)}
        values |= {(line, measure): value for measure, value in printed.items()}
        if {"base", "new", "H"} <= printed.keys():
            of_both = float(harmonic_mean(printed["base"], printed["new"]))
            odd |= {line} if abs(printed["H"] - of_both) > _ROUNDING else set()
        origins.append(row["source"])
    return Source(name, "; ".join(dict.fromkeys(origins)), values, frozenset(odd))
