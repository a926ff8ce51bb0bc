"""Errors of the clip package: each is one line that names the fault, its place and the remedy."""


class ClipError(ValueError):
    """A value that CLIP cannot work with; base of all errors that this package raises."""


class WeightsError(ClipError):
    """A weights file or state dict that is cut short, damaged, not a CLIP, or of an unknown
    name."""


def not_a_clip(fault: str) -> WeightsError:
    """The error for tensors that do not make up a CLIP."""
    return WeightsError(f"not a CLIP: {fault}; give the state dict of a whole CLIP model")


class TokenizeError(ClipError, RuntimeError):
    """A text with more tokens than the context holds (RuntimeError in OpenAI's tokenizer)."""
