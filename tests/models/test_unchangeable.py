"""Schemas that adapters are handed: JSON that nobody can change, and anybody can copy."""

import copy
import json
import pickle
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.amounts import Usage
from fsm_orch.limits import CallLimits
from fsm_orch.messages import Message
from fsm_orch.models.base import Request, Response
from fsm_orch.models.metered import MeteredModel
from fsm_orch.models.scripted import ScriptedModel
from fsm_orch.models.unchangeable import unchangeable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(JSON)
def test_it_reads_like_any_other(value: Any) -> None:
    """It equals what it was made of, and is written, copied and sent to another process as that."""
    fixed = unchangeable(value)

    assert value == fixed
    assert json.dumps(value) == json.dumps(fixed)
    assert msgspec.json.encode(value) == msgspec.json.encode(fixed)
    for copied in (copy.deepcopy(fixed), pickle.loads(pickle.dumps(fixed))):
        assert (value, type(value)) == (copied, type(copied))
    assert fixed is unchangeable(fixed)


CHANGES: list[Callable[[Any], Any]] = [
    lambda schema: schema.update(a=1),
    lambda schema: schema.setdefault("a", 1),
    lambda schema: schema.pop("type"),
    lambda schema: schema.popitem(),
    lambda schema: schema.clear(),
    lambda schema: schema.__setitem__("type", "string"),
    lambda schema: schema.__delitem__("type"),
    lambda schema: schema.__ior__({"a": 1}),
    lambda schema: schema["enum"].append("c"),
    lambda schema: schema["enum"].extend("c"),
    lambda schema: schema["enum"].insert(0, "c"),
    lambda schema: schema["enum"].pop(),
    lambda schema: schema["enum"].remove("a"),
    lambda schema: schema["enum"].clear(),
    lambda schema: schema["enum"].sort(),
    lambda schema: schema["enum"].reverse(),
    lambda schema: schema["enum"].__setitem__(0, "c"),
    lambda schema: schema["enum"].__delitem__(0),
    lambda schema: schema["enum"].__iadd__(["c"]),
    lambda schema: schema["enum"].__imul__(2),
    lambda schema: schema["parts"][0].update(a=1),
    lambda schema: dict(schema)["parts"].clear(),
    lambda schema: copy.copy(schema)["parts"].clear(),
    lambda schema: {**schema}["enum"].clear(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_no_way_changes_it(change: Callable[[Any], Any]) -> None:
    """Every method that changes a dict or a list is refused, with what to do instead; in a shallow copy too."""
    schema = {"type": "string", "enum": ["b", "a"], "parts": ({"type": "null"},)}
    fixed = unchangeable(MappingProxyType(schema))
    with pytest.raises(TypeError, match=r"change a copy of it, copy.deepcopy\(request.schema\)"):
        change(fixed)

    assert {"type": "string", "enum": ["b", "a"], "parts": [{"type": "null"}]} == fixed


def test_every_method_that_changes_is_refused() -> None:
    """No method of dict or list is left that could change one: whatever there is reads, or is refused."""
    reads = set(dir(tuple)) | {
        "copy",
        "get",
        "items",
        "keys",
        "values",
        "fromkeys",
        "__reversed__",
        "__or__",
        "__ror__",
    }
    for kind, fixed in ((dict, type(unchangeable({}))), (list, type(unchangeable([])))):
        kept = {name for name in dir(kind) if getattr(kind, name) is getattr(fixed, name)}

        assert set() == kept - reads - {"__init__"}


class _Desk:
    """A desk that allows everything."""

    def check(self) -> None:
        """Find nothing."""

    def reserve(self, input_tokens: int, output_tokens: int, model: str | None = None, waited_s: float = 0.0) -> int:
        return 1

    async def written(self) -> None: ...

    def calls_left(self) -> int:
        return 1

    def seconds_left(self) -> float:
        return 1.0

    def settle(self, call: int, usage: Usage | None, cause: str | None = None) -> None: ...

    def release(self, call: int, cause: str | None = None) -> None: ...


async def test_a_schema_of_an_own_agent_is_not_changed_either() -> None:
    """What an adapter does to a schema that an agent wrote itself does not reach that agent's own."""

    def line(request: Request) -> Response:
        assert request.schema is not None
        with pytest.raises(TypeError):
            request.schema["properties"]["a"] = {}
        return Response(text="{}", usage=None)

    own: dict[str, Any] = {"type": "object", "properties": {}}
    metered = MeteredModel(ScriptedModel([line]), _Desk(), CallLimits(max_input_tokens=9, max_output_tokens=9))
    await metered.ask((Message(role="user", content="a"),), own)

    assert {"type": "object", "properties": {}} == own
    own["type"] = "string"  # and its own stays its own
