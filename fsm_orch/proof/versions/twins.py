"""Guards of two versions that are the same code: imported twice they are two objects, and answer alike all the same.

Two functions are the same code if their bytecode and all that it names are: constants, defaults, what they close over,
and what they find in their modules. Whatever is not plain, or a function of the same code, must be one object.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator
from types import CodeType, FunctionType
from typing import Any

from ...define.context import Context
from ...define.guards import Guard, all_of, any_of, not_

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...))
_SHAPE = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_exceptiontable"),
)

Twins = dict[Guard[Any], Guard[Any]]
"""Leaves of the new version, and which of the old one each is."""


def twins_of(
    old: Iterable[Guard[Any]], new: Iterable[Guard[Any]], contexts: tuple[type[Context], type[Context]]
) -> Twins:
    """Return which leaves of the new version are the same code as one of the old version.

    Args:
        contexts: of the old version and of the new one.
    """
    known = list(old)
    found = {leaf: next((each for each in known if _are_twins(each, leaf, contexts)), None) for leaf in new}
    return {leaf: twin for leaf, twin in found.items() if twin is not None and twin is not leaf}


def with_twins(guard: Guard[Any], twins: Twins) -> Guard[Any]:
    """Return a guard of the new version, made of the leaves of the old one where they are the same."""
    if not twins:
        return guard
    if guard.connective is None:
        return twins.get(guard, guard)
    parts = [with_twins(part, twins) for part in guard.parts]
    return not_(*parts) if guard.connective == "not" else {"all": all_of, "any": any_of}[guard.connective](*parts)


def _are_twins(one: Guard[Any], other: Guard[Any], contexts: tuple[type[Context], type[Context]]) -> bool:
    mine, theirs = one.predicate, other.predicate
    if not (isinstance(mine, FunctionType) and isinstance(theirs, FunctionType)):
        return mine is theirs
    return _is_same(mine, theirs, set()) and all(_reads_alike(name, contexts) for name in _names(mine.__code__))


def _reads_alike(name: str, contexts: tuple[type[Context], type[Context]]) -> bool:
    """Return whether a name, if it is one of a context, is a field of the same type in both."""
    fields = [context.__pydantic_fields__.get(name) for context in contexts]
    if fields == [None, None]:  # its own methods and properties are code that this does not look at
        return not any(name in vars(each) for context in contexts for each in context.__mro__ if _is_users(each))
    mine, theirs = (None if field is None else field.rebuild_annotation() for field in fields)
    # two names that stand for classes yet to be found are equal, and the classes may not be
    return mine is not None and mine == theirs and "ForwardRef" not in repr(mine)


def _is_users(base: type) -> bool:
    return issubclass(base, Context) and base is not Context


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_same(one: object, other: object, met: set[tuple[int, int]]) -> bool:
    """Return whether two values are the same to any code that is given them.

    Args:
        met: what is being compared already: functions may call each other.
    """
    if one is other or (id(one), id(other)) in met:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, _PLAIN):
        return repr(one) == repr(other)  # 0.0 is not -0.0, and NaN is itself
    met.add((id(one), id(other)))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return type(one) is tuple and len(one) == len(other) and all(map(_is_same, one, other, [met] * len(one)))
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return _is_same_code(one, other, met)
    if isinstance(one, Guard) and isinstance(other, Guard):
        joined = one.connective == other.connective and _is_same(one.parts, other.parts, met)
        return joined and (one.connective is not None or _is_same(one.predicate, other.predicate, met))
    return isinstance(one, FunctionType) and isinstance(other, FunctionType) and _is_same_function(one, other, met)


def _is_same_code(one: CodeType, other: CodeType, met: set[tuple[int, int]]) -> bool:
    if any(getattr(one, name) != getattr(other, name) for name in _SHAPE):
        return False
    return _is_same(one.co_consts, other.co_consts, met)


def _is_same_function(one: FunctionType, other: FunctionType, met: set[tuple[int, int]]) -> bool:
    if not _is_same_code(one.__code__, other.__code__, met):
        return False
    if not _is_same(_held(one), _held(other), met):
        return False
    return all(_is_same(_found(one, name), _found(other, name), met) for name in _names(one.__code__))


def _held(function: FunctionType) -> tuple[object, ...]:
    """Return its defaults, and what it closes over; a cell that is empty yet is only itself."""
    try:
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
    except ValueError:
        cells = function.__closure__ or ()
    return function.__defaults__, tuple(sorted((function.__kwdefaults__ or {}).items())), cells


def _found(function: FunctionType, name: str) -> object:
    """Return what a function finds under a name in its module; None if nothing, as with a name of an attribute."""
    return function.__globals__.get(name, getattr(builtins, name, None))
