"""Accuracy, average precision and distances."""

from dassl.metrics.accuracy import compute_accuracy
from dassl.metrics.average_precision import compute_accuracy_map
from dassl.metrics.distance import (
    compute_distance_matrix,
    cosine_distance,
    euclidean_squared_distance,
)

__all__ = [
    "compute_accuracy",
    "compute_accuracy_map",
    "compute_distance_matrix",
    "cosine_distance",
    "euclidean_squared_distance",
]
