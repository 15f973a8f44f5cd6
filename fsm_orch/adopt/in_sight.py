"""Whether each result of a function is written where it stands: then it sends a run nowhere that is not seen."""

import ast
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from .asked import attribute, is_an
from .functions import around, tree
from .source import annotation, assigned, bound, calls_of, results

_PLAIN = ("str", "bool", "int", "float", "dict", "None")
"""Types, and functions, whose values send a run nowhere."""
_VALUES = (ast.Constant, ast.Dict, ast.DictComp, ast.JoinedStr, ast.Compare, ast.BinOp, ast.UnaryOp)
"""Expressions whose values are no command."""


def shows_ways(function: FunctionType) -> bool:
    """Return whether each command that a function returns is surely made in its own code."""
    parsed = tree(function)
    if parsed is None or any(isinstance(part, ast.Yield | ast.YieldFrom) for part in ast.walk(parsed)):
        return False
    names, said = around(function), annotation(parsed)
    if said is not None and _is_plain_type(said, names):
        return True
    shown = _Shown(parsed, names)
    return all(shown.is_shown(value) for value in results(parsed))


class _Shown:
    """What a function makes, and what its variables hold."""

    def __init__(self, parsed: ast.AST, names: Mapping[str, object]) -> None:
        self.names = names
        self.commands = [*calls_of(parsed, "Command", names)]
        self.given = {name for part in ast.walk(parsed) if isinstance(part, ast.arguments) for name in _required(part)}
        self.values: dict[str, list[ast.expr]] = {}
        set_to = [pair for part in ast.walk(parsed) for pair in assigned(part)]
        for target, value in set_to:
            self.values.setdefault(target.id, []).append(value)
        known = {id(target) for target, _ in set_to}
        self.bound = {bound(part) for part in ast.walk(parsed) if id(part) not in known}

    def is_shown(self, value: ast.expr | None, seen: frozenset[str] = frozenset()) -> bool:
        """Return whether an expression is surely no command, or one that is made in sight."""
        match value:
            case None:
                return True
            case ast.Call() if value in self.commands:
                return True
            case ast.Call(func=ast.Name(id=name)):
                return _is_plain_name(name, self.names)
            case ast.Await(value=inner) | ast.NamedExpr(value=inner):
                return self.is_shown(inner, seen)
            case ast.IfExp(body=one, orelse=other):
                return self.is_shown(one, seen) and self.is_shown(other, seen)
            case ast.BoolOp(values=several) | ast.List(elts=several) | ast.Tuple(elts=several):
                return all(self.is_shown(each, seen) for each in several)
            case ast.Name(id=name) if name in self.bound:
                return False
            case ast.Name(id=name) if name in self.values:
                return name in seen or all(self.is_shown(each, seen | {name}) for each in self.values[name])
            case ast.Name(id=name):
                return name in self.given
        return isinstance(value, _VALUES)


def _required(arguments: ast.arguments) -> Iterator[str]:
    """Yield the arguments of a function that a node is given by its graph."""
    each = [*arguments.posonlyargs, *arguments.args]
    for argument in each[: len(each) - len(arguments.defaults)]:
        yield argument.arg


def _is_plain_name(name: str, names: Mapping[str, object]) -> bool:
    """Return whether a name stands for a class whose values are no commands."""
    known = names.get(name)
    if not is_an(known, type):
        return known is None and name in _PLAIN
    is_any = known in (object, Any) or attribute(known, "_is_protocol", False)
    return not is_any and all(base.__name__ != "Command" for base in type.mro(known))


def _is_plain_type(said: ast.expr, names: Mapping[str, object]) -> bool:
    """Return whether values of an annotated type are surely no commands."""
    match said:
        case ast.Constant(value=None):
            return True
        case ast.Constant(value=str(text)) if text.isidentifier():
            return _is_plain_name(text, names)
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id="dict" as name)):
            return _is_plain_name(name, names)
        case ast.BinOp(op=ast.BitOr(), left=one, right=other):
            return _is_plain_type(one, names) and _is_plain_type(other, names)
    return False
