"""HTML and SVG as text: what is put into it is escaped unless it is markup made here."""

import html
from collections.abc import Iterable
from typing import TypeAlias

_VOID = ("meta", "br")


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


Content: TypeAlias = "str | Iterable[Content]"


def tag(name: str, /, *content: Content, **attributes: object) -> Markup:
    """Return an element; `class_` stands for class, `data_order` for data-order. Attributes that
    are None or empty are left out."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value == "":
            continue
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        words.append(f'{key.rstrip("_").replace("_", "-")}="{html.escape(shown)}"')
    if name in _VOID:
        return Markup(f"<{' '.join(words)}>")
    return Markup(f"<{' '.join(words)}>{join(*content)}</{name}>")


def join(*content: Content) -> Markup:
    """Return contents behind each other, plain text escaped."""
    return Markup("".join(map(_markup, content)))


def _markup(content: Content) -> str:
    if isinstance(content, Markup):
        return content
    if isinstance(content, str):
        return html.escape(printable(content))
    return "".join(map(_markup, content))


def printable(text: str) -> str:
    """Return a text without what a file of text may not hold: control characters, bytes of a
    path that are no UTF-8."""
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
