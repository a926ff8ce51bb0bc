"""Import every module of a package, so that what it registers is known."""

import importlib
import pkgutil
from dataclasses import dataclass

from dassl.utils.registry import Registry


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
    is returned, not raised, so that one broken file does not hide the others; what it registered
    in a `Registry` before it failed is taken back.
    """
    package = importlib.import_module(package_name)
    broken = []
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        if info.ispkg or info.name.startswith("_"):
            continue
        name = f"{package_name}.{info.name}"
        before = Registry.snapshot()
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            Registry.undo_failed_imports(before)
            spec = info.module_finder.find_spec(name)  # type: ignore[call-arg]
            path = spec.origin if spec is not None and spec.origin else name
            message = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
            broken.append(BrokenModule(name, path, message))
    return broken
