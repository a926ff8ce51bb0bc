"""The step on one loss that does not work against another, as ProGrad's trainer calls it."""

import pytest
import torch
from torch import nn

from dassl.engine import TrainerBase


class TwoLosses(TrainerBase):
    """`weight` [2] and `idle` [1] under plain gradient descent; the losses are linear in them."""

    def __init__(self):
        super().__init__()
        self.model = nn.ParameterDict({"weight": torch.zeros(2), "idle": torch.zeros(1)})
        optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.register_model("model", self.model, optimizer)
        self.register_model("frozen", nn.Linear(1, 1))

    def step(self, gradient_a, gradient_b, *options):
        weight = self.model["weight"]
        shared = weight * 1.0  # both losses hang on one graph
        loss_a, loss_b = shared @ torch.tensor(gradient_a), shared @ torch.tensor(gradient_b)
        self.prograd_backward_and_update(loss_a, loss_b, *options)
        return (-weight.detach()).tolist()  # what was descended along


@pytest.mark.parametrize(
    ("against", "options", "expected"),
    [
        ([1.0, 0.0], [], [3.0, 4.0]),  # the second loss falls too: the plain gradient
        ([0.0, -2.0], [], [3.0, 0.0]),  # it would rise: its direction is taken out
        ([0.0, -2.0], [0.5], [3.0, 2.0]),  # by half
        ([0.0, 0.0], [], [3.0, 4.0]),  # no direction to respect
    ],
)
def test_conflicting_part_of_the_gradient_is_removed(against, options, expected):
    trainer = TwoLosses()
    assert trainer.step([3.0, 4.0], against, *options) == expected
    assert trainer.model["idle"].item() == 0.0  # no gradient reaches it


def test_each_tensor_is_judged_on_its_own():
    trainer = TwoLosses()
    weight, idle = trainer.model["weight"], trainer.model["idle"]
    loss_a, loss_b = weight.sum() + idle.sum(), idle.sum() - weight.sum()
    trainer.prograd_backward_and_update(loss_a, loss_b, names=["model"])
    torch.testing.assert_close(weight.detach(), torch.zeros(2))
    assert idle.item() == -1.0


def test_both_losses_must_be_finite():
    for losses in ([1.0, float("nan")], [float("inf"), 1.0]):
        trainer = TwoLosses()
        with pytest.raises(FloatingPointError, match="not a number"):
            trainer.step([losses[0], 0.0], [losses[1], 0.0])
