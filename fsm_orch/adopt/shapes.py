"""What type a field has of what a model puts out in a given shape: `model.with_structured_output(Reply).invoke(...)`.

Only models of pydantic are taken for that, for LangChain holds replies to no others, such as a TypedDict; and types of
a graph's state are not: nothing holds a run to them.
"""

import ast
import enum
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from .asked import attribute

Bound = Mapping[str, list[ast.expr | None]]
"""What the variables of a function are set to, by their names; None is what nothing says."""


def field_type(held: ast.expr, name: str, bound: Bound, names: Mapping[str, Any]) -> Any:
    """Return the type of a field of what a model puts out; None if an expression is nothing of the kind.

    Args:
        held: The expression whose field it is.
        name: Of the field.
        bound: What variables are set to.
        names: What names stand for outside of the function.
    """
    asked = _asked(held, bound)
    shape = None if asked is None else _named(asked, names)
    try:
        is_held_to = isinstance(shape, type) and issubclass(shape, BaseModel)
        return get_type_hints(shape).get(name) if is_held_to else None
    except (NameError, TypeError):  # of what only a type checker imports
        return None


def is_one(hint: Any) -> bool:
    """Return whether values of a type are surely no collections, but for text."""
    if get_origin(hint) in (Union, UnionType):
        return all(is_one(each) for each in get_args(hint))
    is_plain = hint in (str, int, bool, NoneType) or get_origin(hint) is Literal
    return is_plain or (isinstance(hint, type) and issubclass(hint, enum.Enum))


def _asked(held: ast.expr | None, bound: Bound, depth: int = 8) -> ast.expr | None:
    """Return the shape that a model was asked for where an expression comes from; None if it comes from elsewhere."""
    match held if depth else None:
        case ast.Await(value=inner) | ast.Call(func=ast.Name(id="cast"), args=[_, inner]):
            return _asked(inner, bound, depth - 1)
        case ast.Call(func=ast.Attribute(attr="invoke" | "ainvoke", value=inner)):
            return _asked(inner, bound, depth - 1)
        case ast.BinOp(op=ast.BitOr(), right=inner):
            return _asked(inner, bound, depth - 1)
        case ast.Call(func=ast.Attribute(attr="with_structured_output"), args=[shape, *_], keywords=more):
            return None if any(key.arg in (None, "include_raw") for key in more) else shape
        case ast.Name(id=name):
            each = [_asked(value, bound, depth - 1) for value in bound.get(name, [])]
            return each[0] if len({ast.dump(one) if one else "" for one in each}) == 1 else None
    return None


def _named(said: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what an expression names."""
    match said:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=inner, attr=name):
            return attribute(_named(inner, names), name)
    return None
