"""How messages count things, list names, say what came, guess what was meant, and say what to install."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import suppress
from typing import cast


def counted(names: Iterable[str], noun: str) -> str:
    """Return how many names there are, and which: "2 handoffs ('a', 'b')"."""
    found = list(names)
    return f"{number_of(len(found), noun)} ({quoted(found)})" if found else f"no {noun}s"


def number_of(number: int, noun: str) -> str:
    """Return a number of things: "1 hop", "2 hops"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def quoted(names: Iterable[str]) -> str:
    """Return names in quotes, joined by commas."""
    return ", ".join(repr(name) for name in names)


def kind_of(value: object) -> str:
    """Return what a value is, without the value, which may be private: "a dict", "the class Desk"."""
    if value is None:
        return "None"
    # neither `isinstance` nor `hasattr` alone: what an object says of itself may be false, or raise
    if issubclass(type(value), type):
        return f"the class {cast('type', value).__name__}"
    with suppress(Exception):
        name = getattr(value, "__name__", None)
        if callable(value) and isinstance(name, str):
            return f"the function {name}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the end of a message that guesses what was meant, or nothing if nothing is close."""
    close = difflib.get_close_matches(name, list(candidates), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


def to_install(extra: str) -> str:
    """Return what to do about packages that are missing, for those who have a clone and those who have a wheel."""
    return f"install the extra `{extra}` of fsm_orch; in a clone: pip install -e '.[{extra}]'"


def without_surrogates(text: str) -> str:
    """Return a text with `?` for each lone surrogate: JSON can spell them, but no file or socket takes them.

    They come from providers, validators and the names of files.
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
