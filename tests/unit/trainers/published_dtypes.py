"""The dtypes of the published code, by method and precision."""

import torch

from tests.unit.trainers.conftest import is_multitask, plain

# The published code keeps these in half under PREC fp16 and all other trained tensors in float32; a
# method that is not listed may choose.
HALF = {
    "CLIPAdapter": {"adapter.fc.0.weight", "adapter.fc.2.weight"},
    "CoOp": {"prompt_learner.ctx"},
    "CoCoOp": {
        "prompt_learner.ctx",
        *(f"prompt_learner.meta_net.linear{i}.{t}" for i in (1, 2) for t in ("weight", "bias")),
    },
    "CoPrompt": {
        *(f"prompt_learner.{name}" for name in ("ctx", "proj.weight", "proj.bias")),
        *(f"adapter_{tower}.fc.{i}.weight" for tower in ("image", "text") for i in (0, 2)),
    },
    "IVLP": {"prompt_learner.ctx"},
    "KgCoOp": {"prompt_learner.ctx"},
    "MaPLe": {"prompt_learner.ctx", "prompt_learner.proj.weight", "prompt_learner.proj.bias"},
    "ProGrad": {"prompt_learner.ctx"},
    "PromptSRC": {"prompt_learner.ctx"},
    "SoftCPT": {"task_prompt_learner.ctx"},
    "SoftCPTHard": {"prompt_learner.ctx"},
    "TaskRes": set(),
    "TipAdapterF": set(),
    "VPT": set(),
}
FLOAT32_ONLY = {"TaskRes", "VPT"}  # whatever PREC says
HALF_HEAD = {"linear_probe_proj.weight", "linear_probe_proj.bias"}


def half_tensors(name, found):
    """What of a method's tensors is half under PREC fp16; where nothing is published, those
    found."""
    if plain(name) not in HALF:
        return found
    head = name != plain(name) and plain(name) not in FLOAT32_ONLY and not is_multitask(name)
    return HALF[plain(name)] | (HALF_HEAD if head else set())


def tower_dtype(name, precision):
    """The working dtype of the towers."""
    if precision == "fp16" and plain(name) in FLOAT32_ONLY:
        return torch.float32
    return {"fp16": torch.float16, "bf16": torch.bfloat16}.get(precision, torch.float32)
