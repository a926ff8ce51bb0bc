"""The options that methods declare, and how they enter the config tree before anything is
merged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from yacs.config import CfgNode

from dassl.utils.errors import UserError


@dataclass(frozen=True)
class Option:
    """One key of a method.

    Args:
        default: value in force when nobody sets the key; its type is the key's type.
        help: what the value does, in one sentence.
        choices: the values allowed; empty means any.
        convert: turns what a YAML or a command line gives into the key's type.
    """

    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    convert: Callable[[Any], Any] | None = None


class Options:
    """The keys below one node of the config tree that a method owns.

    `Options("TRAINER.COOP", N_CTX=Option(16, "context tokens"))` declares `TRAINER.COOP.N_CTX`.
    """

    def __init__(self, node: str, **options: Option):
        self.node = node
        self.options = options

    def items(self) -> Iterator[tuple[str, Option]]:
        """Full key and option, in the order of declaration."""
        return ((f"{self.node}.{name}", option) for name, option in self.options.items())


class OptionTree:
    """All options of all methods; one owner per key."""

    def __init__(self) -> None:
        self._options: dict[str, Option] = {}
        self._declared: dict[int, Options] = {}

    def declare(self, declared: Iterable[Options]) -> None:
        """Adds a method's options.

        Variants of a method may declare the same object again.
                Raises:
                    ValueError: two different declarations own the same key.
        """
        for options in declared:
            if id(options) in self._declared:
                continue
            for key, option in options.items():
                if key in self._options:
                    raise ValueError(f"{key} is declared twice; let one method own it")
                self._options[key] = option
            self._declared[id(options)] = options

    def extend(self, cfg: CfgNode) -> None:
        """Adds every declared key with its default to an unfrozen config tree."""
        for key, option in self._options.items():
            *path, name = key.split(".")
            node = cfg
            for part in path:
                if part not in node:
                    node[part] = CfgNode()
                node = node[part]
            node[name] = option.default

    def convert(self, key: str, value: Any) -> Any:
        """The value in the key's own type, where the key's option knows a conversion."""
        option = self._options.get(key)
        return option.convert(value) if option and option.convert else value

    def problems(self, cfg: CfgNode, keys: Iterable[str]) -> list[str]:
        """One line for each of the given keys whose value is not among its choices."""
        lines = []
        for key in keys:
            option = self._options.get(key)
            if option is None or not option.choices:
                continue
            value = read_key(cfg, key)
            if value not in option.choices:
                allowed = ", ".join(str(choice) for choice in option.choices)
                lines.append(f"{key} = {value!r}: use one of {allowed}")
        return lines

    def __contains__(self, key: str) -> bool:
        return key in self._options


def read_key(cfg: CfgNode, key: str) -> Any:
    """The value of a dotted key.

    Raises:
        UserError: the tree has no such key.
    """
    node: Any = cfg
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            raise UserError(f"{key}: the config has no such key")
        node = node[part]
    return node


OPTIONS = OptionTree()
