"""The optional package that knows open_clip's models, tags and timm's towers."""

from types import ModuleType

from clip.errors import WeightsError


def open_clip_package() -> ModuleType:
    """The package open_clip, imported at the first call.

    Raises:
        WeightsError: it is not installed, or cannot be imported.
    """
    try:
        import open_clip
    except ImportError as error:
        if error.name == "open_clip":
            raise WeightsError(
                "open_clip:...: needs the package open_clip_torch, which is not installed; "
                "pip install 'open_clip_torch>=3.3'"
            ) from None
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"open_clip:...: the package open_clip_torch cannot be imported ({reason}); mend that "
            "installation"
        ) from None
    return open_clip
