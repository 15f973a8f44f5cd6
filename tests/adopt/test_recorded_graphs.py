"""Graphs of other frameworks, read without them: from plain objects that were written down where they are installed."""

import json
from typing import Any

import pytest
from adopt.record import EXAMPLES, RECORDED, Example
from support.foreign_objects import attributes, graph_data, made_again

from fsm_orch.adopt import detect
from fsm_orch.errors import Unreadable


def recorded(name: str) -> dict[str, Any]:
    """Return what was written down of an example."""
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_recorded_graph_is_read_as_the_real_one_was(name: str) -> None:
    """Plain objects with the attributes that were read are read as the same graph, by the reader that knows them."""
    data = recorded(name)
    thing = made_again(data["read"])

    assert (
        data["graph"]
        == graph_data(EXAMPLES[name].read(thing))
        == graph_data(detect.read(thing, EXAMPLES[name].attribute))
    )
    assert str(detect.what_is(thing)).split()[1] == data["graph"]["framework"].split()[0]


def test_a_step_is_of_each_node_where_a_router_may_name_several() -> None:
    """Though nothing surely runs side by side: the limit of LangGraph counts steps, and not nodes."""
    made: Any = made_again(recorded("langgraph_forks")["read"])
    del made.branches["both"]["anywhere"]
    graph = detect.read(made, "forks")

    assert ({"either"}, frozenset(), "each") == (graph.may_fork, graph.forks | graph.sends, graph.cap.counts)


@pytest.mark.parametrize("name", EXAMPLES)
def test_whatever_is_gone_is_said(name: str) -> None:
    """Without any one of what is read there is a graph still, or an error that names the framework and what is gone."""
    data, example = recorded(name), EXAMPLES[name]

    said = [(gone[1], _said(made_again(data["read"], without=gone), example)) for gone in attributes(data["read"])]

    assert [] == [(missing, text) for missing, text in said if text and repr(missing) not in text]
    assert [] == [(missing, text) for missing, text in said if text and data["graph"]["framework"] not in text]
    assert any(text for _, text in said)


def _said(thing: object, example: Example) -> str:
    """Return the error that an example is met with; empty if it is read."""
    try:
        example.read(thing)
    except Unreadable as error:
        return str(error)
    return ""
