"""Names of classes and functions that a configuration can ask for."""

import sys
import weakref
from collections.abc import Callable
from typing import Any, ClassVar

from dassl.utils.errors import DuplicateNameError, NotRegisteredError


class Registry:
    """Maps `obj.__name__` to the object.

        TRAINER_REGISTRY = Registry("TRAINER")

        @TRAINER_REGISTRY.register()
        class MyTrainer: ...

    Args:
        name: used in error messages.
    """

    _all: ClassVar["weakref.WeakSet[Registry]"] = weakref.WeakSet()

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, Any] = {}
        self._homes: dict[str, str] = {}  # name -> the module that registered the object
        self._all.add(self)

    def _add(self, obj: Any, force: bool) -> None:
        name, home = obj.__name__, _registering_module(obj)
        if name in self._objects and not force:
            kind = "class" if isinstance(obj, type) else "object"
            raise DuplicateNameError(
                f"{kind} {name} of {home}: a {name} is already registered by "
                f"{self._homes[name]}; rename one"
            )
        self._objects[name], self._homes[name] = obj, home

    @classmethod
    def snapshot(cls) -> "dict[Registry, tuple[dict[str, Any], dict[str, str]]]":
        """What every registry holds now, for `undo_failed_imports`."""
        return {one: (dict(one._objects), dict(one._homes)) for one in cls._all}

    @classmethod
    def undo_failed_imports(
        cls, before: "dict[Registry, tuple[dict[str, Any], dict[str, str]]]"
    ) -> None:
        """Take back what modules registered since `before` that then failed to import.

        What a broken module imported and is whole stays: it would not be imported again.
        """
        for registry in list(cls._all):
            objects, homes = before.get(registry, ({}, {}))
            for name, obj in list(registry._objects.items()):
                if objects.get(name) is obj or registry._homes[name] in sys.modules:
                    continue
                if name in objects:  # it was replaced with force=True
                    registry._objects[name], registry._homes[name] = objects[name], homes[name]
                else:
                    del registry._objects[name], registry._homes[name]

    def register(self, obj: Any = None, force: bool = False) -> Callable[[Any], Any] | None:
        """Register `obj`, or without one return a decorator; `force` replaces an older object.

        Raises:
            DuplicateNameError: (a KeyError) the name is taken.
        """
        if obj is not None:
            self._add(obj, force)
            return None

        def decorate(decorated: Any) -> Any:
            self._add(decorated, force)
            return decorated

        return decorate

    def get(self, name: str) -> Any:
        """The object of that name.

        Raises:
            NotRegisteredError: (a KeyError) there is none.
        """
        if name not in self._objects:
            known = ", ".join(self._objects) or "nothing"
            raise NotRegisteredError(
                f'no object named "{name}" in the registry {self._name}; it has {known}'
            )
        return self._objects[name]

    def registered_names(self) -> list[str]:
        """All names, in order of registration."""
        return list(self._objects)


def _registering_module(obj: Any) -> str:
    """The module whose import registers `obj`, or else the one that `obj` was defined in.

    A class that a helper makes (an alias, a variant) has the helper's module as `__module__`.
    """
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    home = frame.f_globals.get("__name__")
    imported = frame.f_code.co_name == "<module>" and frame.f_back is not None
    return home if imported and home else getattr(obj, "__module__", "an unknown module")
