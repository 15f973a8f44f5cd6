"""A *watched* context: a view that reports each field that somebody reads of it."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, cast

from ..errors import ContextError
from .changes import values_of
from .context import C, Context
from .states import State


def watched(context: C, on_read: Callable[[str], object]) -> C:
    """Return a view of a context that calls `on_read(name)` before each field is read.

    The view is an instance of a subclass, so methods and properties of the context are seen through, and
    short-circuits show only what was really read. Reading it as a whole (dumping, comparing, iterating)
    reads every field. What `on_read` raises reaches the reader.
    """
    context_type = type(context)
    if context_type._watched_type is None:  # a subclass is slow to make: once for each context class
        context_type._watched_type = _watched_subclass(context_type)
    view = _like(context, context_type._watched_type)
    _set(view, "_on_read", on_read)
    return cast("C", view)


def declared(state: State) -> Callable[[str], None]:
    """Return a reader that lets the agent of a state see the fields it declares, and no others.

    The reader raises ContextError for any other.
    """

    names = state.spec.read_names

    def on_read(field: str) -> None:
        if field not in names:
            known = ", ".join(sorted(names)) or "none"
            raise ContextError(
                f"The agent of {state.name!r} read {field!r}, but declares to read: {known}. Add it to `reads`"
            )

    return on_read


_set = object.__setattr__  # a frozen model refuses the plain way


def _like(context: Context, kind: type[Any]) -> Any:
    """Return an instance of another class that holds the same."""
    made = object.__new__(kind)
    _set(made, "__dict__", values_of(context))  # a copy: what the view caches stays with the view
    _set(made, "__pydantic_fields_set__", context.__pydantic_fields_set__)
    _set(made, "__pydantic_extra__", context.__pydantic_extra__)
    _set(made, "__pydantic_private__", context.__pydantic_private__)
    return made


def _watched_subclass(context_type: type[C]) -> type[C]:
    fields = frozenset(context_type.__pydantic_fields__)

    def read(self: Any, name: str) -> Any:
        if name in fields:
            object.__getattribute__(self, "_on_read")(name)
        elif name in ("__dict__", "__pydantic_fields_set__"):
            on_read = object.__getattribute__(self, "_on_read")
            for field in context_type.__pydantic_fields__:  # in one order: whoever raises is shown the same field
                on_read(field)
        elif name == "__class__":
            return context_type
        return object.__getattribute__(self, name)

    def copied(self: Any, *_: object, **__: object) -> Any:
        return _like(self, context_type)  # reads every field, so what is copied may be looked at

    def reduced(self: Any, protocol: int) -> Any:
        return copied(self).__reduce_ex__(protocol)  # no other process knows the class of a view

    namespace = {
        "__slots__": ("_on_read",),
        "__getattribute__": read,
        "__copy__": copied,
        "__deepcopy__": copied,
        "__reduce_ex__": reduced,
        "__module__": context_type.__module__,
    }
    return types.new_class(context_type.__name__, (context_type,), exec_body=lambda body: body.update(namespace))
