"""Whether two guards of two versions of a machine are sure to answer the same, by their code and by all that it names.

A machine that is imported anew, from another revision, has other guards, though nobody has touched them. What is not
looked into counts as a difference: then its answers are played apart, and what hangs on them is only possible.
"""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ...define.context import Context
from ...define.dialect import dialect_of
from ...define.guards import Guard, all_of, any_of, not_

_PLAIN = (str, int, float, bool, bytes, Decimal, type(None))
_BUILTIN = (str, int, float, tuple, frozenset, Decimal)
"""What the fields of a context are made of, where it names no class of the user's."""
_FRAMES = frozenset({"eval", "exec", "globals", "locals", "vars", "getattr", "dir", "super", "__import__"})
"""By these, code may come to what it does not name."""


def aliases(
    old: Iterable[Guard[Any]], new: Iterable[Guard[Any]], contexts: tuple[type[Context], type[Context]]
) -> dict[Guard[Any], Guard[Any]]:
    """Return, for each leaf of the new version that answers as one of the old version does, that one.

    Args:
        contexts: on which the leaves of each version are asked.
    """
    known = tuple(old)
    return {leaf: other for leaf in new for other in known if leaf is other or _Both(*contexts).same(other, leaf)}


def under(guard: Guard[Any], alias: Mapping[Guard[Any], Guard[Any]]) -> Guard[Any]:
    """Return a guard with leaves of the old version in the place of those that answer alike."""
    parts = [under(part, alias) for part in guard.parts]
    match guard.connective:
        case "all":
            return all_of(*parts)
        case "any":
            return any_of(*parts)
        case "not":
            return not_(parts[0])
        case None:
            return alias.get(guard, guard)


class _Both:
    """The contexts of both versions, on which two leaves are compared."""

    def __init__(self, old: type[Context], new: type[Context]) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[int, int]] = set()

    def same(self, one: Guard[Any], other: Guard[Any]) -> bool:
        """Return whether two leaves are sure to answer the same."""
        # by their code, not by their names: a module that has moved names them otherwise
        return self._functions(one.predicate, other.predicate)

    def _functions(self, one: object, other: object) -> bool:
        if one is other:
            return True
        if not isinstance(one, types.FunctionType) or not isinstance(other, types.FunctionType):
            return False
        if (id(one), id(other)) in self._seen:  # it calls itself
            return True
        self._seen.add((id(one), id(other)))
        cells = [_held(function) for function in (one, other)]
        return (
            _is_code_same(one.__code__, other.__code__)
            and self._values((one.__defaults__, one.__kwdefaults__), (other.__defaults__, other.__kwdefaults__))
            and self._values(cells[0], cells[1])
            and all(self._names(code, one, other) for code in _codes(one.__code__))
        )

    def _values(self, one: object, other: object) -> bool:
        if one is other:
            return True
        if type(one) is not type(other):
            return False
        if isinstance(one, _PLAIN):
            return one == other
        if isinstance(one, tuple) and isinstance(other, tuple):
            return len(one) == len(other) and all(map(self._values, one, other))
        if isinstance(one, frozenset) and isinstance(other, frozenset):
            return one == other and all(isinstance(each, _PLAIN) for each in one)
        return self._functions(one, other)

    def _names(self, code: types.CodeType, one: types.FunctionType, other: types.FunctionType) -> bool:
        """Return whether all that code names is the same in both."""
        first = code.co_varnames[0] if code is one.__code__ and code.co_argcount else None
        before: dis.Instruction | None = None
        for step in dis.get_instructions(code):
            if step.opname == "IMPORT_NAME":
                return False
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME") and not self._globals(step.argval, one, other):
                return False
            if step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                is_own = before is not None and before.opname.startswith("LOAD_FAST") and before.argval == first
                if not (self._attribute(step.argval) if is_own else self._of_builtin(step.argval)):
                    return False
            before = step
        return True

    def _globals(self, name: str, one: types.FunctionType, other: types.FunctionType) -> bool:
        if name in _FRAMES:
            return False
        missing = object()
        mine, theirs = (f.__globals__.get(name, vars(builtins).get(name, missing)) for f in (one, other))
        return self._values(mine, theirs)

    def _attribute(self, name: str) -> bool:
        """Return whether an attribute of the context is the same in both."""
        if name in self._old.__pydantic_fields__ and name in self._new.__pydantic_fields__:
            return True
        mine, theirs = getattr(self._old, name, None), getattr(self._new, name, None)
        if isinstance(mine, property) and isinstance(theirs, property):
            return self._functions(mine.fget, theirs.fget)
        return mine is not None and self._functions(mine, theirs)

    def _of_builtin(self, name: str) -> bool:
        """Return whether an attribute of something else can only be one of a builtin type."""
        is_plain = all(len(dialect_of(context)["types"]) == 1 for context in (self._old, self._new))
        return is_plain and any(hasattr(kind, name) for kind in _BUILTIN)


def _is_code_same(one: types.CodeType, other: types.CodeType) -> bool:
    """Return whether two pieces of code do the same, wherever they stand in their files."""
    told = [
        (c.co_code, c.co_names, c.co_varnames, c.co_freevars, c.co_cellvars, c.co_flags, c.co_exceptiontable)
        for c in (one, other)
    ]
    if told[0] != told[1] or len(one.co_consts) != len(other.co_consts):
        return False
    return all(map(_is_constant_same, one.co_consts, other.co_consts))


def _is_constant_same(one: object, other: object) -> bool:
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return _is_code_same(one, other)
    return type(one) is type(other) and repr(one) == repr(other)


def _held(function: types.FunctionType) -> tuple[object, ...]:
    """Return what a function holds of the functions around it; of a variable without a value, something of its own."""
    return tuple([_content(cell) for cell in function.__closure__ or ()])


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return object()


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a piece of code, and those inside it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _codes(inner)
