"""Few-shot caches as published readers leave them in a data folder of another machine."""

import pickle
from pathlib import Path

from dassl.data.datasets import Datum


def foreign_data(rows: list[list], prefix: str) -> list[Datum]:
    """Datum objects of [path, label, class name] below `prefix`, which need not exist here."""
    data = []
    for path, label, name in rows:
        item = Datum.__new__(Datum)
        vars(item).update(_impath=f"{prefix}/{path}", _label=label, _domain=0, _classname=name)
        data.append(item)
    return data


def write_foreign_cache(
    folder: Path, lists: dict[str, list[list]], prefix: str, *, shots: int, seed: int = 1
) -> Path:
    """Write `split_fewshot/shot_K-seed_S.pkl` into a dataset's folder."""
    path = folder / "split_fewshot" / f"shot_{shots}-seed_{seed}.pkl"
    path.parent.mkdir(exist_ok=True)
    content = {split: foreign_data(rows, prefix) for split, rows in lists.items()}
    path.write_bytes(pickle.dumps(content))
    return path
