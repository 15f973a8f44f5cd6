"""What a guard may read: the fields that its code could look at on some context, whatever it was seen to read.

A guard that was asked shows the branches that it took, and says nothing of the others. So its bytecode is looked at.
Where it uses the context for nothing but `context.field`, those fields are all that it can read. Properties and methods
of the context are followed. Where it does anything else with it, it may read every field. So it does with a cached
property, which looks for its value in the context's `__dict__`.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator
from typing import Any

from ...define.context import Context
from ...define.guards import Guard

_LOADS = frozenset({"LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW", "LOAD_DEREF"})
"""Put a variable on the stack, and nothing after it."""
_LOADS_LAST = frozenset({"LOAD_FAST_LOAD_FAST", "STORE_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"})
"""Do something with a variable, and then put another on the stack."""
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
"""Replace what was put on the stack last by one of its attributes."""
_CELLS = frozenset({"MAKE_CELL", "COPY_FREE_VARS", "LOAD_CLOSURE"})
"""Hand a variable to an inner function, whose own code is looked at."""
_FILLERS = frozenset({"CACHE", "EXTENDED_ARG", "NOP"})
_HOOKS = ("__getattribute__", "__getattr__")
"""Methods that say what an attribute is; the second one also where a property raises AttributeError."""
_FRAMES = frozenset(
    {
        "__builtins__",
        "locals",
        "vars",
        "eval",
        "exec",
        "dir",
        "globals",
        "super",
        "_getframe",
        "currentframe",
        "stack",
        "f_locals",
        "settrace",
    }
)
"""Names by which code may come to a variable without naming it."""


class _Unclear(Exception):
    """Raised where code uses the context in a way that is not looked into."""


def may_read(leaf: Guard[Any], context_type: type[Context]) -> frozenset[str]:
    """Return every field that a leaf may read; all fields where its code does not say."""
    # Every doubt means all fields. One field too many makes the proof say "possible" once too often; one too few would
    # have it call something proved that is not.
    everything = frozenset(context_type.__pydantic_fields__)
    if any(getattr(context_type, hook) is not getattr(Context, hook) for hook in _HOOKS):
        return everything  # any attribute may then read any field
    try:
        return frozenset(_of_function(leaf.predicate, context_type, frozenset()))
    except _Unclear:
        return everything


def _of_function(function: object, context_type: type[Context], seen: frozenset[types.CodeType]) -> set[str]:
    """Return the fields that a function may read of its first argument."""
    if not isinstance(function, types.FunctionType) or not function.__code__.co_argcount:
        raise _Unclear
    code = function.__code__
    return set() if code in seen else set(_of_code(code, code.co_varnames[0], context_type, seen | {code}))


def _of_code(
    code: types.CodeType, name: str, context_type: type[Context], seen: frozenset[types.CodeType]
) -> Iterator[str]:
    """Yield the fields that code may read of one of its variables."""
    if _FRAMES.intersection(code.co_names):
        raise _Unclear
    steps = [step for step in dis.get_instructions(code) if step.opname not in _FILLERS]
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if _uses(step, name) and not _is_handed_on(step, name, code):
            # followed by `.attribute` at once, so nothing else can come to hold it
            if not _is_loaded(step, name) or after is None or after.opname not in _ATTRIBUTES:
                raise _Unclear
            yield from _of_attribute(after.argval, context_type, seen)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            # without the variable of its own it could still come to it, through a frame
            yield from _of_code(inner, name if name in inner.co_freevars else "", context_type, seen)


def _uses(step: dis.Instruction, name: str) -> bool:
    """Return whether an instruction does anything with a variable."""
    if step.opcode in dis.hasconst or step.opcode in dis.hasname:  # a constant, a global or an attribute of that name
        return False
    used = step.argval if isinstance(step.argval, tuple) else (step.argval,)
    return name in used


def _is_handed_on(step: dis.Instruction, name: str, code: types.CodeType) -> bool:
    # from 3.13 on, a cell is put on the stack as any variable is; its value is never read like that
    return step.opname in _CELLS or (step.opname == "LOAD_FAST" and name in code.co_cellvars)


def _is_loaded(step: dis.Instruction, name: str) -> bool:
    """Return whether an instruction leaves a variable on top of the stack, and does nothing else with it."""
    if step.opname in _LOADS:
        return True
    return step.opname in _LOADS_LAST and step.argval[-1] == name and name not in step.argval[:-1]


def _of_attribute(name: str, context_type: type[Context], seen: frozenset[types.CodeType]) -> set[str]:
    """Return the fields that an attribute of a context may read: itself, or what its property or method reads."""
    if name in context_type.__pydantic_fields__:
        return {name}
    found: object = next((vars(kind)[name] for kind in context_type.__mro__ if name in vars(kind)), None)
    getter: Callable[..., Any] | object | None = found
    if type(found) is property:  # a subclass of it may do anything when it is read
        getter = found.fget
    return _of_function(getter, context_type, seen)
