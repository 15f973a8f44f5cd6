"""Names and comments that every language accepts, whatever a user wrote."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable

_FOREIGN = re.compile(r"[^A-Za-z0-9_]+")


def distinct(names: Iterable[str], prefix: str = "") -> tuple[str, ...]:
    """Return an identifier for each name, in their order, no two of them equal.

    Args:
        prefix: put before each; with one that no keyword of the language begins with, no identifier is a keyword.

    Returns:
        identifiers of ASCII letters, digits and underscores after the prefix.
    """
    taken: dict[str, None] = {}
    for name in names:
        wanted = prefix + (_FOREIGN.sub("_", name).strip("_") or "x")
        numbered = (f"{wanted}_{number}" for number in itertools.count(2))
        taken[next(found for found in itertools.chain((wanted,), numbered) if found not in taken)] = None
    return tuple(taken)


def label(value: object) -> str:
    """Return a value of a finite field as a user knows it: a member's name, a text itself, or Python's notation."""
    return value.name if isinstance(value, enum.Enum) else value if isinstance(value, str) else repr(value)


def plain(text: str) -> str:
    """Return a text that is safe in a comment: one line of ASCII, with nothing that begins or ends a comment."""
    # Else a description with `*/` in it would end the comment, and what follows would be read as part of the model.
    printable = "".join(c if c.isascii() and c.isprintable() else " " if c.isspace() else "?" for c in text)
    return re.sub(r"(?<=[(/])(?=\*)|(?<=\*)(?=[)/])", " ", printable)
