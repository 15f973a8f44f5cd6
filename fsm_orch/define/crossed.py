"""Whether what one field holds can be what another holds: for values that cross from one context to another.

A first look, at the kinds of values alone. Whether a value keeps a bound, or is None, shows when it crosses.
"""

from __future__ import annotations

import types
import typing
from enum import Enum
from typing import Any

_UNIONS = (typing.Union, types.UnionType)
_MANY = (tuple, frozenset)


def item_of(annotation: Any) -> Any:
    """Return what the items of a field are that holds any number of them; None if it holds no items."""
    for member in _members(annotation):
        arguments = typing.get_args(member)
        if typing.get_origin(member) in _MANY and (len(arguments) == 1 or arguments[1:] == (...,)):
            return arguments[0]
    return None


def why_misfit(source: Any, target: Any) -> str | None:
    """Return which kind of values a field may hold that another does not; None if it holds them all."""
    taken = _members(target)
    for member in _members(source):
        if not any(_is_within(member, one) for one in taken):
            return str(member) if typing.get_origin(member) else getattr(member, "__name__", str(member))
    return None


def _members(annotation: Any) -> list[Any]:
    """Return what a union is made of, None aside: fields are often None until somebody writes them."""
    while typing.get_origin(annotation) is typing.Annotated or hasattr(annotation, "__value__"):
        annotation = annotation.__value__ if hasattr(annotation, "__value__") else typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in _UNIONS:
        return [member for part in typing.get_args(annotation) for member in _members(part)]
    if typing.get_origin(annotation) is typing.Literal:
        return [type(value) if isinstance(value, Enum) else Said(value) for value in typing.get_args(annotation)]
    return [] if annotation is type(None) else [annotation]


class Said:
    """One value of a `Literal`."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.__name__ = repr(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Said) and self.value == other.value and type(self.value) is type(other.value)

    def __hash__(self) -> int:
        return hash(self.value)


def _is_within(one: Any, other: Any) -> bool:
    """Return whether values of one kind are values of another, as far as their classes tell."""
    if one == other:
        return True
    if isinstance(one, Said):
        return type(one.value) is other
    if isinstance(other, Said):
        return type(other.value) is one  # it may hold others too, which are refused when they cross
    origin = typing.get_origin(one)
    if origin is not None and origin is typing.get_origin(other):
        pairs = zip(typing.get_args(one), typing.get_args(other), strict=False)
        return all(first == second or why_misfit(first, second) is None for first, second in pairs)
    if isinstance(one, type) and isinstance(other, type):
        # of what is written as text, such as a date, whoever takes text gets that
        is_text = other is str and one.__module__ in ("datetime", "decimal", "uuid")
        return issubclass(one, other) or (one is int and other is float) or is_text
    return not isinstance(one, type) and not isinstance(other, type)
