"""Merging options into the tree with all mistakes reported at once."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from yacs.config import CfgNode  # type: ignore[import-untyped]


def all_keys(cfg: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Full names (`OPTIM.LR`) of all options of a tree."""
    for key, value in cfg.items():
        if isinstance(value, Mapping):
            yield from all_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _ratio(wanted: str, candidate: str) -> float:
    whole = difflib.SequenceMatcher(None, wanted, candidate).ratio()
    leaf = difflib.SequenceMatcher(
        None, wanted.rpartition(".")[2], candidate.rpartition(".")[2]
    ).ratio()
    return max(whole, leaf)


def nearest_key(cfg: Mapping[str, Any], key: str, prefer: Sequence[str] = ()) -> str | None:
    """The option of the tree that `key` most likely means, or None if nothing is near.

    Args:
        cfg: the tree.
        key: full name as the user wrote it.
        prefer: prefixes (`TRAINER.MAPLE`) of the options that win over equally near ones elsewhere.
    """

    def score(candidate: str) -> tuple[float, float]:
        preferred = any(candidate == p or candidate.startswith(f"{p}.") for p in prefer)
        whole = difflib.SequenceMatcher(None, key, candidate).ratio()
        return _ratio(key.upper(), candidate.upper()) + 0.15 * preferred, whole

    best = max(all_keys(cfg), key=score, default=None)
    return best if best is not None and score(best)[0] >= 0.6 else None


def _flatten(entries: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _pairs(entries: Mapping[str, Any] | Sequence[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(entries, Mapping):
        yield from _flatten(entries)
    else:
        for index in range(0, len(entries) - 1, 2):
            yield str(entries[index]), entries[index + 1]


def _find(cfg: CfgNode, key: str) -> tuple[CfgNode, str] | None:
    """The node that holds an option and the option's own name; None if there is no such key."""
    *path, leaf = key.split(".")
    node: Any = cfg
    for name in path:
        if not isinstance(node, CfgNode) or name not in node:
            return None
        node = node[name]
    return (node, leaf) if isinstance(node, CfgNode) and leaf in node else None


def _decode(raw: Any, current: Any) -> Any:
    value = CfgNode._decode_cfg_value(raw)
    # a folder called 2024 or a class called None is text where the option is text
    return raw if isinstance(raw, str) and isinstance(current, str) else value


def _coerce(value: Any, current: Any) -> Any:
    """`value` as the type of `current` by yacs' rules, and a whole number for a float option.

    Raises:
        TypeError: the types do not go together.
    """
    if type(value) is type(current) or value is None or current is None:
        return value
    if isinstance(current, tuple | list) and isinstance(value, tuple | list):
        return type(current)(value)
    if type(current) is float and type(value) is int:
        return float(value)
    raise TypeError


def merge_checked(
    cfg: CfgNode,
    source: str,
    entries: Mapping[str, Any] | Sequence[Any],
    prefer: Sequence[str] = (),
) -> list[str]:
    """Merge options in place; what is wrong is returned and left out, the rest is merged.

    Strings are literal-evaluated as yacs does (`1e-5`, `(224, 224)`).

    Args:
        cfg: an unfrozen tree.
        source: where the options stand: a file name or "the command line".
        entries: a nested mapping (a YAML file's content) or a flat list KEY, VALUE, KEY, VALUE...
        prefer: see `nearest_key`.

    Returns:
        One line per problem: unknown key (with the nearest real one), wrong type (with the
        expected one), a key without a value.
    """
    problems = []
    for key, raw in _pairs(entries):
        found = _find(cfg, key)
        if found is None:
            nearest = nearest_key(cfg, key, prefer)
            hint = f"; did you mean {nearest}?" if nearest else ""
            problems.append(f"{source}: {key}: no such option{hint}")
            continue
        node, leaf = found
        current = node[leaf]
        if isinstance(current, CfgNode):
            if raw not in (None, {}):
                problems.append(
                    f"{source}: {key} = {raw!r}: this is a group of options, set one of it"
                )
            continue
        try:
            node[leaf] = _coerce(_decode(raw, current), current)
        except TypeError:
            wanted = f"expected {type(current).__name__} like {current!r}"
            problems.append(f"{source}: {key} = {raw!r}: {wanted}")
    if not isinstance(entries, Mapping) and len(entries) % 2:
        problems.append(f"{source}: {entries[-1]}: no value given; options come as KEY VALUE pairs")
    return problems
