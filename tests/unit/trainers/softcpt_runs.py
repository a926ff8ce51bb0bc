"""Tasks and settings of the small SoftCPT runs."""

import torch

TASKS = {
    "animals": ["red fox", "blue jay"],
    "cars": ["sports car"],
    "plants": ["tulip", "corn"],
}
OTHER = {"animals": ["eagle"], "cars": ["city bus"], "plants": ["rose", "oak", "fern"]}
NODE, HARD = "TRAINER.MTCOOP", "TRAINER.MTCOOPH"
SMALL = {"N_CTX": 3, "TASK_N_CTX": 2, "CLASS_N_CTX": 2}


def words(node, values):
    return [word for key, value in values.items() for word in (f"{node}.{key}", value)]


def wander(trainer, scale=0.05):
    """Moves all tensors, so that what is loaded differs from what is drawn."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in trainer.model.parameters():
            tensor += scale * torch.randn(tensor.shape, generator=generator)
    return trainer
