"""Where a user declared something, by which name, and the phrases that were written."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Set
from functools import partial
from types import FrameType, ModuleType
from typing import Any


def where_called() -> str:
    """Return `file:line` of the nearest caller outside this library."""
    # `inspect.stack()` would read the source of every frame, a hundred times slower
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("fsm_orch."):
        frame = frame.f_back
    return "unknown" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def names_of_caller() -> dict[str, Any]:
    """Return the variables of the nearest caller outside this library and pydantic: what its annotations may name."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in ("fsm_orch", "pydantic"):
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)


def where_defined(thing: type | Callable[..., Any]) -> str:
    """Return `file:line` of a class or function; `module` alone where there is no source."""
    # a generic class with its types given has no source of its own
    thing = getattr(thing, "__pydantic_generic_metadata__", {}).get("origin") or thing
    code = getattr(thing, "__code__", None)
    if code is not None:
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(thing)}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return str(getattr(thing, "__module__", "unknown"))


def phrases(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return what a user wrote as phrases, one or several.

    A set is sorted, since its own order differs from process to process.
    """
    if isinstance(given, str):
        return (given,)
    return tuple(sorted(given) if isinstance(given, Set) else given)


def told_apart(one: type, other: type) -> str:
    """Return the end of a message that tells two classes of one name apart; nothing if their names differ.

    A cell of a notebook that is run again, or a module that is loaded again, makes another class of the same name.
    """
    if one is other or one.__name__ != other.__name__:
        return ""
    if one.__module__ != other.__module__:
        return f" (two classes of the same name, of {one.__module__} and of {other.__module__})"
    return (
        f" (another class of the same name: {one.__name__} was defined again after it was used, as by a "
        "notebook's cell that is run twice; run what uses it again)"
    )


_MOVING = frozenset({"fsm_orch", "pydantic", "pydantic_core"})
"""Packages whose modules may move while the names that they give to everybody stay."""


def name_of(thing: Any) -> str:
    """Return the name of a class or function: `module:qualname`, whether or not it says what the thing does.

    One of our own is named without its module: `fsm_orch.LLMAgent`, so that it may move. A user's class is the user's,
    whatever it is a subclass of.
    """
    while isinstance(thing, partial):
        thing = thing.func
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    module = getattr(named, "__module__", None) or "builtins"  # a method of a built-in type has none
    top = module.partition(".")[0]
    if top in _MOVING:
        return f"{top}.{named.__qualname__}"
    if top in sys.stdlib_module_names:  # `pathlib._local:Path` of one version of Python is `pathlib:Path` of others
        module = module.partition("._")[0]
    return f"{module}:{named.__qualname__}".removeprefix("builtins:")


def qualified_name(function: Callable[..., Any]) -> str | None:
    """Return the name of a callable, as `name_of` does, if it is the same in every process and says what is called.

    None if it does not say what is called: a lambda, a partial, a bound method, an instance with attributes, a closure
    over anything but named things.
    """
    if not hasattr(function, "__qualname__"):
        has_state = bool(getattr(function, "__dict__", True)) or isinstance(function, partial)
        return None if has_state else qualified_name(type(function))
    # a bound method or a lambda reads the same in every digest and may do something else in every process
    owner = getattr(function, "__self__", None)
    is_bound = owner is not None and not isinstance(owner, type | ModuleType)
    if is_bound or "<lambda>" in function.__qualname__ or not all(map(_is_named, _closed_over(function))):
        return None
    return name_of(function)


def _closed_over(function: Callable[..., Any]) -> Iterable[object]:
    for cell in getattr(function, "__closure__", None) or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet: a class or function that is still being defined
            continue


def _is_named(value: object) -> bool:
    return isinstance(value, type | ModuleType) or (callable(value) and qualified_name(value) is not None)
