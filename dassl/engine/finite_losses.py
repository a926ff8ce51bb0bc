"""Whether the losses of a training are numbers: on a GPU kept there, read where a line is printed
or an epoch ends."""

from collections.abc import Callable

import torch

from dassl.utils.errors import NonFiniteLossError


class FiniteLosses:
    """Hears of the loss of each step.

    Args:
        at_once: read every loss when it is heard of; where they lie on the CPU that waits for
            nothing. None: by the device of each loss.
    """

    def __init__(self, at_once: bool | None = None) -> None:
        self.at_once = at_once
        self._unread: list[tuple[torch.Tensor, str]] = []

    def add(self, loss: torch.Tensor, place: str, advice: Callable[[], str]) -> None:
        """Take a loss of any shape and where it comes from, such as " in epoch 1, batch 2".

        Raises:
            NonFiniteLossError: (a FloatingPointError) it is read at once and not finite.
        """
        found = loss.detach()
        # NaN and infinity outlast a maximum of magnitudes; the losses are stacked when read
        found = found.reshape(()) if found.numel() == 1 else found.abs().amax()
        self._unread.append((found, place))
        if loss.device.type == "cpu" if self.at_once is None else self.at_once:
            self.check(advice)

    def check(self, advice: Callable[[], str]) -> None:
        """Read what was heard of since the last check.

        Raises:
            NonFiniteLossError: (a FloatingPointError) names where the first loss that is not
                finite comes from.
        """
        unread, self._unread = self._unread, []
        if not unread:
            return
        device = unread[0][0].device
        finite = torch.stack([loss.isfinite().to(device) for loss, _ in unread]).tolist()
        if not all(finite):
            place = unread[finite.index(False)][1]
            raise NonFiniteLossError(f"the loss is infinite or not a number{place}; {advice()}")
