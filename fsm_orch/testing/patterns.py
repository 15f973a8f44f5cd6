"""Texts with a pattern: Hypothesis ignores the patterns of pydantic, wherever in a type they stand."""

from __future__ import annotations

from functools import reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from pydantic import TypeAdapter, ValidationError


def drawable(kind: Any) -> Any:
    """Return an annotation with what Hypothesis knows in it: texts by their patterns, and no other mark of pydantic."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _marked(kind, inside[0], inside[1:])
    drawn = tuple(drawable(each) for each in inside)
    if drawn == inside:
        return kind
    return reduce(or_, drawn) if origin in (Union, UnionType) else origin[drawn]


def _marked(kind: Any, base: Any, marks: tuple[Any, ...]) -> Any:
    patterns = [pattern for mark in marks if (pattern := getattr(mark, "pattern", None)) is not None]
    if patterns:
        return Annotated[base, _matching(kind, patterns[0])]
    known = [mark for mark in marks if not type(mark).__module__.startswith("pydantic")]
    return Annotated[(drawable(base), *known)] if known else drawable(base)


def _matching(kind: Any, pattern: Any) -> SearchStrategy[str]:
    """Draw texts in which a pattern is found, as pydantic searches for it, and that keep the other constraints."""
    taken = TypeAdapter[Any](kind)

    def is_taken(text: str) -> bool:
        try:
            taken.validate_python(text)
        except ValidationError:  # `$` of pydantic is not before a line break, and a text may be too long
            return False
        return True

    return (st.from_regex(pattern, fullmatch=True) | st.from_regex(pattern)).filter(is_taken)
