"""What is known of a function before it is called: its name, whether it can be awaited, and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def short_name(function: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of an instance that can be called."""
    name: str = getattr(function, "__name__", type(function).__name__)
    return name


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether a function, or an instance that can be called, is async."""
    return any(map(inspect.iscoroutinefunction, (function, type(function).__call__)))


def is_awaited(function: Any) -> bool:
    """Return whether what a function returns can be awaited, as far as it can be known without a call."""
    if not callable(function):
        return False
    if is_async(function) or is_async(inspect.unwrap(function)):
        return True
    # a plain function may hand on what another returned, if it says so
    said = getattr(function, "__annotations__", {}).get("return", "")
    return any(word in str(said) for word in ("Awaitable", "Coroutine", "Future", "Task"))


def takes_one(function: Callable[..., Any]) -> bool:
    """Return whether a function can be called with one argument by place; True where nothing is known of it."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of a built-in function
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def takes(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function declares a parameter of a name; False where nothing is known of it."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of a built-in function
        return False


def why_no_agent(function: object) -> str | None:
    """Return what keeps something from acting in a state as a function of the visit; None if nothing does."""
    if isinstance(function, type) or not callable(function):
        return f"a state holds an agent or a function of the visit, not {function!r}"
    name = short_name(function)
    if not takes_one(function):
        return f"{name} is called with the visit alone, which does not fit: write def {name}(visit)"
    called = (function, inspect.unwrap(function), type(function).__call__)
    if any(inspect.isgeneratorfunction(each) or inspect.isasyncgenfunction(each) for each in called):
        return f"{name} yields, and an agent gives one reply: return it"
    return None
