"""The registry of datasets and their base classes."""

from dassl.data.datasets.base_dataset import DatasetBase, Datum, DatumMT
from dassl.data.datasets.build import DATASET_REGISTRY, build_dataset
from dassl.data.datasets.multitask import DatasetBaseMT

__all__ = [
    "DATASET_REGISTRY",
    "DatasetBase",
    "DatasetBaseMT",
    "Datum",
    "DatumMT",
    "build_dataset",
]
