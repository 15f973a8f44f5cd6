"""What a user wrote: where it was declared, by which name, and whether it is what was meant."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


def where_called() -> str:
    """Tell `file:line` of the nearest caller outside this library."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("fsm_orch."):
        frame = frame.f_back
    return "unknown" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def where_defined(thing: type | Callable[..., Any]) -> str:
    """Tell `file:line` of a class or function; `module` alone where there is no source."""
    code = getattr(thing, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return str(getattr(thing, "__module__", "unknown"))


def phrases(given: Iterable[str], option: str) -> tuple[str, ...]:
    """Take what a user wrote as several phrases.

    Raises TypeError: if it is one string, which would be taken letter by letter.
    """
    if isinstance(given, str):
        raise TypeError(f"{option} takes several phrases: write ({given!r},), not {given!r}")
    return tuple(given)


def qualified_name(function: Callable[..., Any]) -> str | None:
    """Name a callable as `module:qualname`, the same in every process; None for lambdas and other nameless ones."""
    name = getattr(function, "__qualname__", None)
    if name is None and not hasattr(function, "func"):  # an instance is named by its class; a partial is not
        name = type(function).__qualname__
        return f"{type(function).__module__}:{name}"
    if name is None or "<lambda>" in name:
        return None
    return f"{function.__module__}:{name}"
