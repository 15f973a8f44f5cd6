"""How messages count things, list names, and guess what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(names: Iterable[str], noun: str) -> str:
    """Return how many names there are, and which: "2 handoffs ('a', 'b')"."""
    found = list(names)
    plural = "" if len(found) == 1 else "s"
    return f"{len(found) or 'no'} {noun}{plural}" + (f" ({quoted(found)})" if found else "")


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes, joined by commas."""
    return ", ".join(repr(name) for name in names)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the end of a message that guesses what was meant, or nothing if nothing is close."""
    close = difflib.get_close_matches(name, list(candidates), n=1)
    return f": did you mean {close[0]!r}?" if close else ""
