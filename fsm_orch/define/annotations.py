"""What a function of the user's is annotated for: a context class, and dependencies."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from .callables import short_name
from .context import Context

_NO_VISIT = (Context, dict, list, tuple, str, bytes, int, float)
"""No visit is one of these. In other libraries a node takes the state itself, and a tool what a model fills in."""


def annotated_context(function: Callable[..., Any], localns: Mapping[str, Any]) -> type[Context] | None:
    """Return the context class in the annotation of a function's first parameter: `Ticket` or `Visit[Ticket]`.

    None if it is not annotated, or the annotation cannot be resolved.
    """
    hint = _first_hint(function, localns)
    for candidate in (hint, *typing.get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, Context):
            return candidate
    return None


def annotated_deps(function: Callable[..., Any], localns: Mapping[str, Any]) -> object:
    """Return the dependencies that a function is annotated for: the `Shop` of `Visit[Ticket, Shop]`; None if none."""
    arguments = typing.get_args(_first_hint(function, localns))
    return arguments[1] if len(arguments) > 1 and arguments[1] not in (Any, type(None)) else None


def why_no_visit(function: Any, localns: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a function that acts in a state, and is annotated for something else than a visit.

    None if nothing is, and where it is not known: `functools.wraps` copies annotations, and what it wraps may be called
    with something else.
    """
    if inspect.unwrap(function) is not function:
        return None
    hint = _first_hint(function, localns)
    taken = typing.get_origin(hint) or hint
    if not isinstance(taken, type) or not issubclass(taken, _NO_VISIT):
        return None
    name, held = short_name(function), taken.__name__ if issubclass(taken, Context) else "Ticket"
    return (
        f"{name} is called with a visit, and is annotated for {taken.__name__}: "
        f"write def {name}(visit: Visit[{held}]), and read visit.context"
    )


def _first_hint(function: Callable[..., Any], localns: Mapping[str, Any]) -> Any:
    target = function if hasattr(function, "__annotations__") else type(function).__call__
    try:
        hints = typing.get_type_hints(target, localns=dict(localns))
        # a later parameter may be the first that is annotated
        first = next(iter(inspect.signature(function).parameters), None)
    except Exception:  # an annotation is any expression, and may raise anything
        return None
    return None if first is None else hints.get(first)
