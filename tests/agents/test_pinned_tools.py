"""Pinned files: one spelling, and what changed from one to another."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from support.mcp_servers import PINNED

from fsm_orch.agents.pinned import Described, changes, from_text, to_text


def shuffled(value: Any, by: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], by) for key in by.sample([*value], len(value))}
    return value


@pytest.mark.parametrize("seed", range(5))
def test_a_file_is_the_same_whatever_the_order(seed: int) -> None:
    """Neither the order of tools nor that of keys is in the bytes, nor in what is read of them."""
    text = to_text(PINNED)
    again = json.dumps(shuffled(json.loads(text), random.Random(seed)))

    assert to_text(from_text(again.encode())) == text
    assert [*from_text(again.encode())] == sorted(PINNED)
    assert changes(PINNED, from_text(again.encode()), PINNED) == []


DEEP = b'{"tools": {"a": {"inputSchema": ' + b'{"a":' * 10_000 + b"1" + b"}" * 10_003


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"tools": {"a": {}}}', b'{"tools": {}, "more": 1}', b"\xff", DEEP]
)
def test_what_is_no_pinned_file_is_refused(text: bytes) -> None:
    """A file that is cut short, or another one, is not taken for one without tools."""
    with pytest.raises(ValueError, match=r"."):
        from_text(text)


def test_what_changed_is_named() -> None:
    """The place of each difference is said, and JSON's true is not its 1."""
    before = {"a": Described(input_schema={"x": {"y": 1, "z": 2}}, description="A."), "b": PINNED["hung"]}
    after = {"a": Described(input_schema={"x": {"y": True}}, description="B.", output_schema={}), "c": PINNED["hung"]}

    assert changes(before, after, {"a", "b", "c"}) == [
        "a: description",
        "a: inputSchema.x.y",
        "a: inputSchema.x.z",
        "a: outputSchema",
        "b is gone",
        "c is new",
    ]
    assert changes(before, after, {"b"}) == ["b is gone"]
