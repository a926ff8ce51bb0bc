"""How much each channel of the joint space tells classes apart, on base classes against new ones:
the figure by which DePT argues (arXiv:2309.07439, channel bias).

N pictures, C classes, D joint width, K channels of a window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dassl.utils.errors import UserError
from use.dataset_features import SplitFeatures
from use.drawing import figure, save

SHARE = 8  # a window is an eighth of the channels: 64 of 512, as in the DePT repository
TINY = 1e-12


@dataclass(frozen=True)
class ChannelImportance:
    """Importance of each channel on base and on new classes, [D] each."""

    base: np.ndarray
    new: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """Base over new [D]; above 1 a channel serves the base classes more."""
        return self.base / np.maximum(self.new, TINY)


def channel_importance(features: SplitFeatures) -> np.ndarray:
    """The importance [D] of each channel r:

        mean over pictures i of  relu(x_i . w_y(i)) / mean over classes c of relu(x_i . w_c)

    with the dot products over the K = D / 8 channels from r on (after the last the first follows),
    of image features x and text features w that are normalised over all channels. 1 tells nothing,
    C everything.

    Raises:
        UserError: the text features depend on the image.
    """
    if features.text is None:
        raise UserError("the text features depend on the image: channels have no importance there")
    x, w = (_unit(part) for part in (features.image, features.text))
    width = x.shape[1]
    window = max(1, width // SHARE)
    # [N, C] sums over a window, moved on by one channel at a time
    sums = x[:, :window] @ w[:, :window].T
    rows, found = np.arange(len(x)), np.empty(width)
    for channel in range(width):
        positive = np.maximum(sums, 0)
        found[channel] = (positive[rows, features.labels] / (positive.mean(axis=1) + TINY)).mean()
        entering = (channel + window) % width
        sums += np.outer(x[:, entering], w[:, entering]) - np.outer(x[:, channel], w[:, channel])
    return found


def channel_table(found: Mapping[str, ChannelImportance]) -> pd.DataFrame:
    """A row for each run and channel."""
    parts = [
        pd.DataFrame(
            {"run": run, "channel": range(len(own.base)), "base": own.base, "new": own.new}
        )
        for run, own in found.items()
    ]
    return pd.concat(parts, ignore_index=True)


def draw_channels(found: Mapping[str, ChannelImportance], path: Path) -> None:
    """For each run a panel of all channels in the order of their base importance, and one panel of
    the distribution of base over new."""
    from scipy.stats import gaussian_kde

    drawn, axes = figure(3.2 * (len(found) + 1), 3.2, len(found) + 1)
    for panel, (run, own) in zip(axes, found.items(), strict=False):
        order = np.argsort(own.base)
        panel.plot(own.new[order], ".", markersize=3, color="#ee6677", label="new")
        panel.plot(own.base[order], ".", markersize=3, color="#4477aa", label="base")
        panel.set(title=run, xlabel="channel, by base importance", ylabel="importance")
        panel.legend(fontsize=7)
    ratios = np.concatenate([own.ratio for own in found.values()])
    low, high = np.percentile(ratios, [0.5, 99.5])
    grid = np.linspace(low, high, 200)
    for run, own in found.items():
        axes[-1].plot(grid, gaussian_kde(own.ratio)(grid), label=run)
    axes[-1].axvline(1, linestyle="--", linewidth=1, color="#888888")
    axes[-1].set(title="base / new", xlabel="ratio", ylabel="density")
    axes[-1].legend(fontsize=7)
    save(drawn, path)


def _unit(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), TINY)
