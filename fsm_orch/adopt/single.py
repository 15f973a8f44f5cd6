"""Whether a function of the user's surely names one node, and never several: only then is it no fork."""

import ast
import enum
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Literal, get_origin

from . import shapes
from .functions import around, beyond, tree
from .source import annotation, calls_of, results

_ONE = ("str", "bool", "int")
"""Types, and functions, whose values are no collection."""
_OF_TEXT = ("lower", "upper", "strip", "casefold", "title", "removeprefix", "removesuffix")
"""Methods that text has and collections do not."""


def names_one(function: FunctionType) -> bool:
    """Return whether a router surely names one node: by its annotation, or by each of its results."""
    parsed = tree(function)
    if parsed is None:
        return False
    inside, said = _Around(function, parsed), annotation(parsed)
    if said is not None and _is_one_type(said, inside.names):
        return True
    each = [*results(parsed)]
    return bool(each) and all(_is_one(value, inside) for value in each)


def commands_one(function: FunctionType) -> bool:
    """Return whether each command of a node surely names one node, and is made where it is seen."""
    parsed = tree(function)
    if parsed is None:
        return False
    inside = _Around(function, parsed)
    made = [*calls_of(parsed, "Command", inside.names)]
    gotos = [key.value for call in made for key in call.keywords if key.arg == "goto"]
    is_hidden = any(key.arg is None for call in made for key in call.keywords)
    is_handed_on = any(isinstance(value, ast.Call) and value not in made for value in _bare(results(parsed)))
    return bool(made) and not is_hidden and not is_handed_on and all(_is_one(goto, inside) for goto in gotos)


def _bare(values: Iterator[ast.expr | None]) -> Iterator[ast.expr | None]:
    """Yield expressions without what is around them: `await`, and both sides of a choice."""
    todo = [*values]
    while todo:
        match todo.pop():
            case ast.Await(value=inner):
                todo.append(inner)
            case ast.IfExp(body=one, orelse=other):
                todo += [one, other]
            case bare:
                yield bare


class _Around:
    """What stands around an expression: the variables of its function, and the names outside."""

    def __init__(self, function: FunctionType, parsed: ast.AST) -> None:
        self.names = around(function)
        self.constants = beyond(function)
        self.values: dict[str, list[ast.expr | None]] = {}
        self.types: dict[str, ast.expr] = {}
        bound = (ast.Name, ast.arg)
        known: set[int] = set()
        for part in ast.walk(parsed):
            if isinstance(part, ast.Assign):
                known |= {id(each) for each in part.targets if isinstance(each, ast.Name)}
                for each in part.targets:
                    if isinstance(each, ast.Name):
                        self.values.setdefault(each.id, []).append(part.value)
            elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                known.add(id(part.target))
                self.types[part.target.id] = part.annotation
        for part in ast.walk(parsed):
            if isinstance(part, bound) and id(part) not in known:
                name = part.arg if isinstance(part, ast.arg) else part.id
                if isinstance(part, ast.arg) or not isinstance(part.ctx, ast.Load):
                    self.values.setdefault(name, []).append(None)  # by a loop, an argument, or a part of something

    def is_field_one(self, held: ast.expr, name: str) -> bool:
        """Return whether a field of an expression surely is no collection, since a model was asked for it so."""
        return shapes.is_one(shapes.field_type(held, name, self.values, self.names))


def _is_one(value: ast.expr | None, around: _Around, seen: frozenset[str] = frozenset()) -> bool:
    """Return whether an expression is surely no collection."""
    match value:
        case ast.Constant(value=held):
            return not isinstance(held, tuple)
        case ast.JoinedStr() | ast.Compare() | ast.UnaryOp(op=ast.Not()):
            return True
        case ast.IfExp(body=one, orelse=other):
            return _is_one(one, around, seen) and _is_one(other, around, seen)
        case ast.BoolOp(values=several):
            return all(_is_one(each, around, seen) for each in several)
        case ast.Attribute(value=held, attr=name):
            return around.is_field_one(held, name)
        case ast.Call(func=ast.Name(id=name)):
            return name in _ONE and name not in around.names
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _OF_TEXT
        case ast.Name(id=name) if name not in seen:
            if name in around.types:
                return _is_one_type(around.types[name], around.names)
            inside = around.values.get(name)
            if inside is None:
                return isinstance(around.constants.get(name), str | bool)
            return all(_is_one(each, around, seen | {name}) for each in inside)
    return False


def _is_one_type(said: ast.expr, names: Mapping[str, object]) -> bool:
    """Return whether values of an annotated type are surely no collections."""
    match said:
        case ast.Constant(value=str(text)):
            return _is_one_type(ast.parse(text, mode="eval").body, names)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            known = names.get(name)
            is_one = isinstance(known, type) and issubclass(known, enum.Enum)
            return name in _ONE or is_one or get_origin(known) is Literal
        case ast.Constant(value=None):
            return True
        case ast.BinOp(op=ast.BitOr(), left=one, right=other):
            return _is_one_type(one, names) and _is_one_type(other, names)
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            is_choice = name in ("Optional", "Union") and all(_is_one_type(part, names) for part in parts)
            return name == "Literal" or is_choice
    return False
