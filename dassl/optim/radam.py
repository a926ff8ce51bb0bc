"""RAdam (arXiv:1908.03265) with decoupled weight decay."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer

# Below this length of the approximated moving average the variance cannot be rectified.
_MIN_RECTIFIABLE_LENGTH = 5


class RAdam(Optimizer):
    """Adam whose adaptive step starts when the variance of its denominator is tractable.

    Equals `torch.optim.RAdam(decoupled_weight_decay=True)`.

    Args:
        params: parameters or groups.
        lr: learning rate.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: decoupled: parameters shrink by lr * weight_decay.
        degenerated_to_sgd: before rectification step along the mean gradient; False: do not step.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        degenerated_to_sgd: bool = True,
    ) -> None:
        if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"RAdam: lr {lr}, eps {eps}, betas {betas} out of range")
        self.degenerated_to_sgd = degenerated_to_sgd
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step; returns the closure's value, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: torch.Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(parameter.grad, 1 - beta1)
        square.mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)

        unbias1, unbias2 = 1 - beta1**step, 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / unbias2
        rectified = length > _MIN_RECTIFIABLE_LENGTH
        if not rectified and not self.degenerated_to_sgd:
            return
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        rate = group["lr"] / unbias1
        if not rectified:
            parameter.add_(mean, alpha=-rate)
            return
        rectification = math.sqrt(
            (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        )
        denominator = square.sqrt().add_(group["eps"])
        parameter.addcdiv_(mean, denominator, value=-rate * rectification * math.sqrt(unbias2))
