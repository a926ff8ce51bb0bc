"""Names of classes and functions that a configuration can ask for."""

from collections.abc import Callable
from typing import Any

from dassl.utils.errors import DuplicateNameError, NotRegisteredError


class Registry:
    """Maps `obj.__name__` to the object.

        TRAINER_REGISTRY = Registry("TRAINER")

        @TRAINER_REGISTRY.register()
        class MyTrainer: ...

    Args:
        name: used in error messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._objects: dict[str, Any] = {}

    def _add(self, obj: Any, force: bool) -> None:
        name = obj.__name__
        if name in self._objects and not force:
            raise DuplicateNameError(
                f'an object named "{name}" is already registered in {self._name}; rename yours'
            )
        self._objects[name] = obj

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
