"""The options that methods declare, and how they enter the config tree before anything is
merged."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from yacs.config import CfgNode

from dassl.config import all_keys, get_cfg_default
from dassl.utils.errors import UserError


@dataclass(frozen=True)
class Option:
    """One key of a method.

    Args:
        default: value in force when nobody sets the key; its type is the key's type.
        help: what the value does, in one sentence.
        choices: the values allowed; empty means any.
        minimum, maximum: the range allowed; None means no bound.
        convert: turns what a YAML or a command line gives into the key's type.
        remedy: what to use in place of a value; None where it is allowed.
    """

    default: Any
    help: str
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    convert: Callable[[Any], Any] | None = None
    remedy: Callable[[Any], str | None] | None = None

    def allowed(self, value: Any) -> str | None:
        """None if the value is allowed, else what would be."""
        if self.choices and value not in self.choices:
            return "use one of " + ", ".join(map(str, self.choices))
        if self.minimum is not None and value < self.minimum:
            return f"use {self.minimum} or more"
        if self.maximum is not None and value > self.maximum:
            return f"use {self.maximum} or less"
        return self.remedy(value) if self.remedy else None


class Options:
    """The keys below one node of the config tree that a method owns; "" is the root.

    `Options("TRAINER.COOP", N_CTX=Option(16, "context tokens"))` declares `TRAINER.COOP.N_CTX`.
    """

    def __init__(self, node: str, **options: Option):
        self.node = node
        self.options = options

    def items(self) -> Iterator[tuple[str, Option]]:
        """Full key and option, in the order of declaration."""
        prefix = f"{self.node}." if self.node else ""
        return ((prefix + name, option) for name, option in self.options.items())


@cache
def engine_keys() -> frozenset[str]:
    """The keys that the engine owns."""
    return frozenset(all_keys(get_cfg_default()))


class OptionTree:
    """All options of all methods; one owner per key."""

    def __init__(self) -> None:
        self._options: dict[str, Option] = {}
        self._declared: dict[int, Options] = {}

    def declare(self, declared: Iterable[Options]) -> None:
        """Adds a method's options. Variants of a method may declare the same object again.

        Raises:
            TypeError: a key is not declared with `Option`.
            ValueError: two declarations own the same key, or it is one of the engine's.
        """
        for options in declared:
            if id(options) in self._declared:
                continue
            for key, option in options.items():
                self._check(key, option)
            self._options.update(options.items())
            self._declared[id(options)] = options

    def _check(self, key: str, option: Any) -> None:
        if not isinstance(option, Option):
            raise TypeError(f"{key}: declare it as Option(default, help), not {option!r}")
        if key in self._options:
            raise ValueError(f"{key} is declared twice; let one method own it")
        if key in engine_keys():
            raise ValueError(f"{key} is the engine's; `defaults` of a trainer change its value")

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
        """One line for each of the given keys whose value is not allowed."""
        lines = []
        for key in keys:
            option = self._options[key]
            value = read_key(cfg, key)
            remedy = option.allowed(value)
            if remedy:
                lines.append(f"{key} = {value!r}: {remedy} ({option.help})")
        return lines

    def __contains__(self, key: str) -> bool:
        return key in self._options

    def without_foreign(self, cfg: CfgNode, own: Iterable[str]) -> CfgNode:
        """A copy of the tree without the keys that other methods declare, and nodes left empty."""
        kept = cfg.clone()
        kept.defrost()
        for key in self._options.keys() - set(own):
            *path, name = key.split(".")
            nodes = [kept]
            for part in path:
                nodes.append(nodes[-1][part])
            del nodes[-1][name]
            for parent, part in zip(reversed(nodes[:-1]), reversed(path), strict=True):
                if not parent[part]:
                    del parent[part]
        return kept


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
