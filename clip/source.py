"""Where a model's weights come from, and which activation they are computed with."""

import functools
from dataclasses import dataclass
from pathlib import Path

import downloads
from clip.blocks import ACTIVATIONS
from clip.errors import ClipError

AUTO = "auto"
Pixels = tuple[tuple[float, ...], tuple[float, ...]]
Resizing = tuple[str, str]


@dataclass(frozen=True)
class Inputs:
    """What images a CLIP takes: side in pixels, and as in Source."""

    size: int
    pixels: Pixels | None
    resizing: Resizing | None


@dataclass(frozen=True)
class Source:
    """Where the weights of a loaded CLIP come from.

    Attributes:
        name: public name, else file name.
        sha256: of the file.
        activation: quick_gelu or gelu, as computed.
        activation_from: archive (known weights, or the program in the archive), config (the file's
            own, beside it), tag or name (open_clip's), key (the caller), assumed (nobody says).
        layout: openai archive, openai state dict, open_clip or hugging face.
        path: the file.
        activation_said: what archive or config say; None where they say nothing.
        pixels: mean and standard deviation of the red, green and blue of its training images, as
            the config says; None where it says nothing, as CLIP's own then.
        resizing: interpolation (bicubic or bilinear), and whether pictures become square by
            "shortest" (the shorter edge is resized and the centre cut out) or "squash"; None where
            the config says nothing.
        open_clip: model and tag, or the model alone, whose settings these are; "" for others.
        remarks: what else a person should know, a line each.
    """

    name: str
    sha256: str
    activation: str
    activation_from: str
    layout: str
    path: str
    activation_said: str | None = None
    pixels: Pixels | None = None
    resizing: Resizing | None = None
    open_clip: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def notices(self) -> list[str]:
        """What a person should know of these weights, a line each."""
        return [line for line in (self.notice, *self.remarks) if line]

    @property
    def notice(self) -> str | None:
        """What a person should know of the activation, in one line; None if nothing."""
        key = "MODEL.BACKBONE.ACTIVATION"
        if self.activation_from == "assumed":
            return (
                f"{self.path} does not say its activation: computed with QuickGELU, as OpenAI's "
                f"weights and what was trained from them; for plain GELU (most of open_clip's: "
                f"LAION, DataComp) set {key} gelu, else {key} quick_gelu to hear no more of it"
            )
        if self.activation_said not in (None, self.activation):
            return (
                f"{key} {self.activation} overrules {self.path}, which was trained with "
                f"{self.activation_said}"
            )
        return None


@dataclass(frozen=True)
class Facts:
    """What is known of a file before a caller chooses the activation; as in Source.

    Attributes:
        said: the activation that archive or config say, with which of them says it.
    """

    name: str
    sha256: str
    layout: str
    path: str
    said: tuple[str, str] | None = None
    pixels: Pixels | None = None
    resizing: Resizing | None = None
    open_clip: str = ""
    remarks: tuple[str, ...] = ()

    def source(self, activation: str) -> Source:
        """The source for what the caller asks: "auto", or an activation.

        Raises:
            ClipError: an unknown activation.
        """
        if activation not in (AUTO, *ACTIVATIONS):
            raise ClipError(
                f"activation {activation!r}: use one of {', '.join((AUTO, *ACTIVATIONS))}"
            )
        if activation != AUTO:
            chosen, origin = activation, "key"
        else:
            chosen, origin = self.said or ("quick_gelu", "assumed")
        said = self.said[0] if self.said else None
        own = (self.name, self.sha256, chosen, origin, self.layout, self.path)
        return Source(
            *own, said, self.pixels, self.resizing, open_clip=self.open_clip, remarks=self.remarks
        )


Stamp = tuple[int, int]


def stamp(path: Path) -> Stamp | None:
    """Size and time of a file, by which a change shows; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read once in a process and its forks until the file changes."""
    return _sha256(path, stamp(path))


@functools.lru_cache(maxsize=64)
def _sha256(path: Path, _stamp: Stamp | None) -> str:
    return downloads.Checksum("sha256", "").of(path)
