"""Any value of a struct, drawn from the types of its fields: hostile texts, large numbers, nested JSON."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import fields

from fsm_orch import Limits, Message
from fsm_orch.messages import Role, ToolCall

TEXTS = st.text(max_size=8)
COUNTS = st.integers(0, 20) | st.integers(0, 10**40)
SECONDS = st.integers(0, 3).map(float) | st.floats(0, allow_infinity=False)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
LIMITS = st.builds(
    Limits,
    hops=st.integers(0, 10_000),
    tokens=COUNTS,
    cost_usd=st.none() | st.decimals(0, 10**9, allow_nan=False),
    deadline_s=st.floats(0, exclude_min=True, allow_infinity=False),
)

CALLS = st.lists(st.builds(ToolCall, id=TEXTS, name=TEXTS, arguments=TEXTS), max_size=3).map(tuple)
SHOWN = st.dictionaries(TEXTS, JSON, min_size=1, max_size=3)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(get_args(Role)),
    content=TEXTS,
    agent=st.none() | TEXTS,
    tool_calls=CALLS,
    tool_call_id=st.none() | TEXTS,
) | SHOWN.map(lambda shown: Message(role="user", content=json.dumps(shown), fields=tuple(shown)))

_SIMPLE: Mapping[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    int: COUNTS,
    float: SECONDS,
    bool: st.booleans(),
    type(None): st.none(),
    Any: JSON,
    Limits: LIMITS,
    Message: MESSAGES,
    Mapping[str, Any]: st.dictionaries(TEXTS, JSON, max_size=3),
}


@cache
def any_value(hint: Any) -> st.SearchStrategy[Any]:
    """Make a strategy for whatever a type allows."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if isinstance(hint, type) and issubclass(hint, Struct):
        return st.deferred(lambda: st.builds(hint, **{field.name: any_value(field.type) for field in fields(hint)}))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return any_value(arguments[0])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.deferred(lambda: st.one_of([any_value(member) for member in arguments]))
    if origin is Mapping:
        return st.dictionaries(TEXTS, any_value(arguments[1]), max_size=3)
    assert (origin, *arguments[1:]) == (tuple, ...), f"no strategy for {hint}"
    return st.lists(any_value(arguments[0]), max_size=3).map(tuple)
