"""Import every module of a package, so that what it registers is known."""

import importlib
import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True)
class BrokenModule:
    """A module that could not be imported.

    Attributes:
        name: full module name.
        path: its file.
        error: one line, class and message.
    """

    name: str
    path: str
    error: str


def import_modules(package_name: str) -> list[BrokenModule]:
    """Import the public top-level modules of a package in sorted order.

    Names that start with an underscore and sub-packages are skipped. A module that fails to import
    is returned, not raised, so that one broken file does not hide the others.
    """
    package = importlib.import_module(package_name)
    broken = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.ispkg or info.name.startswith("_"):
            continue
        name = f"{package_name}.{info.name}"
        try:
            importlib.import_module(name)
        except Exception as error:
            spec = info.module_finder.find_spec(name)  # type: ignore[call-arg]
            path = spec.origin if spec is not None and spec.origin else name
            message = " ".join(str(error).split())
            broken.append(BrokenModule(name, path, f"{type(error).__name__}: {message}"))
    return broken
