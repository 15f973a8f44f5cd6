"""Names that any of the languages takes, whatever they were called before, and comments that end where they should."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable

_FOREIGN = re.compile(r"[^A-Za-z0-9_]+")


def distinct(names: Iterable[str], prefix: str = "") -> tuple[str, ...]:
    """Give each of these, in their order, an identifier of its own: letters, digits and underscores, after a prefix.

    A prefix that no keyword of the language begins with keeps keywords out.
    """
    taken: dict[str, None] = {}
    for name in names:
        wanted = prefix + (_FOREIGN.sub("_", name).strip("_") or "x")
        numbered = (f"{wanted}_{number}" for number in itertools.count(2))
        taken[next(found for found in itertools.chain((wanted,), numbered) if found not in taken)] = None
    return tuple(taken)


def label(value: object) -> str:
    """Name a value of a finite field as its user would: by a member's name, a text itself, or Python's notation."""
    return value.name if isinstance(value, enum.Enum) else value if isinstance(value, str) else repr(value)


def plain(text: str) -> str:
    """Write a text into a comment: on one line, in ASCII, with nothing that begins or ends a comment."""
    printable = "".join(c if c.isascii() and c.isprintable() else " " if c.isspace() else "?" for c in text)
    return re.sub(r"(?<=[(/])(?=\*)|(?<=\*)(?=[)/])", " ", printable)
