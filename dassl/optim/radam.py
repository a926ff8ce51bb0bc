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
        on_device: the number of steps, and what follows from it, is a tensor beside the parameter,
            for a scaler that lets steps count or not without the host (`DeviceScaler`).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        degenerated_to_sgd: bool = True,
        on_device: bool = False,
    ) -> None:
        if lr < 0 or eps < 0 or not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"RAdam: lr {lr}, eps {eps}, betas {betas} out of range")
        self.degenerated_to_sgd, self.on_device = degenerated_to_sgd, on_device
        super().__init__(
            params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        )

    def __getstate__(self) -> dict[str, Any]:  # torch's leaves out what is a class's own
        own = {"degenerated_to_sgd": self.degenerated_to_sgd, "on_device": self.on_device}
        return {**super().__getstate__(), **own}

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
        state["step"] = self._counted(state["step"], parameter.device)
        step, mean, square = state["step"], state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(parameter.grad, 1 - beta1)
        square.mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)

        unbias1, unbias2 = 1 - beta1**step, 1 - beta2**step
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / unbias2
        rectified = length > _MIN_RECTIFIABLE_LENGTH
        shrunk = 1 - group["lr"] * group["weight_decay"]
        rate = group["lr"] / unbias1
        squared = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        if isinstance(step, torch.Tensor):
            factor = rate * (squared * unbias2).sqrt()  # not a number before rectification
            adaptive = mean / square.sqrt().add_(group["eps"]) * factor
            plain = mean * rate if self.degenerated_to_sgd else torch.zeros_like(mean)
            kept = shrunk if self.degenerated_to_sgd else torch.where(rectified, shrunk, 1.0)
            parameter.mul_(kept).sub_(torch.where(rectified, adaptive, plain))
            return
        if not rectified and not self.degenerated_to_sgd:
            return
        parameter.mul_(shrunk)
        if not rectified:
            parameter.add_(mean, alpha=-rate)
            return
        denominator = square.sqrt().add_(group["eps"])
        rectification = math.sqrt(squared)
        parameter.addcdiv_(mean, denominator, value=-rate * rectification * math.sqrt(unbias2))

    def _counted(self, steps: Any, device: torch.device) -> Any:
        """The number of steps and one more: an int, or a float64 [] on the device; a file may hold
        either."""
        if self.on_device:
            steps = torch.as_tensor(steps, dtype=torch.float64)
            return steps.to(device, non_blocking=True) + 1
        return int(steps) + 1
