"""Datasets, transforms, samplers and loaders. `dassl.data.datasets` does not import PyTorch."""

from dassl.utils.lazy import lazy_exports

_EXPORTS = {
    "dassl.data.data_manager": ["DataManager", "build_data_loader"],
    "dassl.data.dataset_wrapper": ["DatasetWrapper"],
}
__all__, __getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
