"""What is asked of an object of a user's that may refuse to answer, such as a proxy of a request outside of any."""

from __future__ import annotations

from typing import Any, TypeGuard, TypeVar

T = TypeVar("T")


def attribute(thing: object, name: str, default: Any = None) -> Any:
    """Return an attribute of an object; the default if there is none, or the object raises when it is asked for it."""
    try:
        return getattr(thing, name, default)
    except Exception:
        return default


def is_an(thing: object, *kinds: type[T]) -> TypeGuard[T]:
    """Return whether an object is of one of these classes, by its true class: `isinstance` asks the object itself."""
    return issubclass(type(thing), kinds)


def package_of(written: object) -> str:
    """Return the top package of the module that a function or class says it is of; empty if it says none."""
    said = attribute(written, "__module__")
    return said.partition(".")[0] if is_an(said, str) else ""
