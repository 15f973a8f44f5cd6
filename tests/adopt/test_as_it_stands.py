"""What a run costs as it stands, by hand: requests, tokens and dollars of graphs that are small enough to count."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from fsm_orch.adopt import worst as counting
from fsm_orch.adopt.assumed import assumptions
from fsm_orch.adopt.examine import examine, is_bounded
from fsm_orch.adopt.graph import END, Cap, Edge, Graph, Node
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.worst import REPLY_TOKENS, Rates, as_it_stands
from fsm_orch.amounts import Price

RATES = {
    "cheap": Rates(Price(input=Fraction(2), output=Fraction(10)), 1_000),
    "dear": Rates(Price(input=Fraction(4), output=Fraction(20)), 3_000),
}
"""Dollars of a million tokens, and tokens of a window."""


def ask(key: str, **more: Any) -> Node:
    """Return a node that asks a cheap model twice a visit."""
    given: dict[str, Any] = {"model": "cheap", "calls": 2, "max_output_tokens": 100, "kind": "llm", **more}
    return Node(key=key, **given)


def way(source: str, target: str, **more: Any) -> Edge:
    """Return an edge that code chooses."""
    given: dict[str, Any] = {"via": "to", "chooses": "code", **more}
    return Edge(source=source, target=target, **given)


def graph(nodes: tuple[Node, ...], *edges: Edge, steps: int | None = 5, counts: Any = "steps", **more: Any) -> Graph:
    """Return a graph that starts at its first node."""
    given: dict[str, Any] = {"joins": {}, "forks": frozenset(), "sends": frozenset(), "lost": (), "unused": (), **more}
    return Graph(
        framework="a framework",
        name="graph",
        entry=nodes[0].key,
        nodes={node.key: node for node in nodes},
        edges=edges,
        cap=Cap(name="limit", value=steps, unit="steps", counts=counts, then="it raises"),
        on_unknown="raises",
        **given,
    )


LOOP = graph((ask("a"), ask("b", calls=1)), way("a", "b"), way("b", "a"), way("b", END))


def test_dollars_are_requests_times_a_full_window() -> None:
    """Five steps are a, b, a, b, a: eight requests of 1,000 tokens in and 100 out."""
    worst = as_it_stands(LOOP, RATES.get)

    assert (8, 8 * 1_100) == (worst.requests, worst.tokens)
    assert 8 * Fraction(2 * 1_000 + 10 * 100, 1_000_000) == worst.cost_usd == Fraction("0.024")
    assert ("cheap",) == worst.models
    assert not worst.is_one_a_visit
    assert not worst.has_open_replies


def test_each_request_costs_what_the_dearest_does() -> None:
    """A run may spend all its requests on the dearer of two models."""
    two = replace(LOOP, nodes={**LOOP.nodes, "b": ask("b", calls=1, model="dear")})

    assert 8 * Fraction(4 * 3_000 + 20 * 100, 1_000_000) == as_it_stands(two, RATES.get).cost_usd


def test_a_reply_without_a_cap_is_counted_and_said() -> None:
    """It has the tokens that are documented, and stands among the assumptions."""
    loose = replace(LOOP, nodes={**LOOP.nodes, "b": ask("b", calls=1, max_output_tokens=None)})
    worst = as_it_stands(loose, RATES.get)

    assert 8 * (1_000 + REPLY_TOKENS) == worst.tokens
    assert any(f"{REPLY_TOKENS:,} tokens of a reply" in clause for clause in assumptions(loose, worst, Caps()))


def test_what_both_numbers_hold_under_is_all_said() -> None:
    """Of a graph with something of each kind: every clause, in order, and none twice."""
    nodes = (
        ask("a", calls=None, tools=("search",)),
        ask("b", max_output_tokens=None),
        ask("c", kind="code", blind=True),
        ask("d", is_counted=True),
    )
    edges = (way("a", "b", trust="assumed"), way("b", "c"), way("c", END))
    full = graph(nodes, *edges, assumed=("hidden tools are left out",))

    assert (
        "as it stands: no run is started with another limit",
        "as it stands: nothing that a run is started with asks a model, and no code changes the graph",
        "as it stands: no client repeats a request that failed, though most do so twice",
        "as it stands: one request a visit where nothing bounds them, so the true number is more",
        "as it stands: every request fills the window of its model, at the list price of cheap",
        "as it stands: 16,384 tokens of a reply that nothing bounds, though some models write more",
        "as a machine: at most 2 requests a visit of a, where nothing bounds them now",
        "no more requests a visit of d than were seen in the code",
        "no request to a model in c: none was seen there",
        "no request to a model in the tools of a: they are not looked into",
        "hidden tools are left out",
        "every node is possible where a way declares no targets",
    ) == assumptions(full, as_it_stands(full, RATES.get), Caps())


def test_an_end_that_is_taken_to_be_possible_makes_no_node_possible() -> None:
    """Such as where every edge has a condition: a way that declares no targets there is none."""
    ending = graph((ask("a"), ask("b")), way("a", "b"), way("b", END, trust="assumed"))
    anywhere = graph((ask("a"), ask("b")), way("a", "b", trust="assumed"), way("a", END, trust="assumed"))
    worst = as_it_stands(ending, RATES.get)

    assert not any("every node" in clause for clause in assumptions(ending, worst, Caps()))
    assert any("every node" in clause for clause in assumptions(anywhere, worst, Caps()))


@pytest.mark.parametrize(("steps", "requests"), [(1, 2), (2, 3), (3, 5), (1_000, 1_500)])
def test_steps_are_walked(steps: int, requests: int) -> None:
    """The first node is the first step."""
    assert requests == as_it_stands(replace(LOOP, cap=replace(LOOP.cap, value=steps)), RATES.get).requests


def test_a_walk_ends_where_the_graph_does() -> None:
    """Without a cycle the limit does not matter."""
    line = graph((ask("a"), ask("b", calls=1)), way("a", "b"), way("b", END), steps=10_007)

    assert 3 == as_it_stands(line, RATES.get).requests


def test_the_dearer_branch_is_taken() -> None:
    """Of two ways the one with more requests counts, and nodes that are not reached do not."""
    nodes = (ask("a", calls=1), ask("b", calls=1), ask("c", calls=7), ask("away", calls=99))

    assert 8 == as_it_stands(graph(nodes, way("a", "b"), way("a", "c")), RATES.get).requests


@pytest.mark.parametrize(("counts", "requests"), [("requests", 5), ("each", 15), ("steps", 8), ("messages", 8)])
def test_a_limit_bounds_what_it_counts(counts: Any, requests: int) -> None:
    """Requests themselves, visits of each node, steps of one node each, or steps of a message each."""
    assert requests == as_it_stands(replace(LOOP, cap=replace(LOOP.cap, counts=counts)), RATES.get).requests


def test_a_node_may_run_more_often_than_the_cap_counts() -> None:
    """Three times for each of five turns, at two requests, and once for the other at one."""
    each = replace(LOOP, cap=replace(LOOP.cap, counts="each"), often={"a": 3})

    assert 5 * (3 * 2 + 1) == as_it_stands(each, RATES.get).requests


FANNED = graph(
    tuple(ask(key, calls=1) for key in "abcde"),
    *(way("a", "b"), way("a", "c"), way("a", "d", choice=1), way("a", "e", choice=1)),
    *(way("b", "a"), way("c", "a"), way("d", "a"), way("e", "a")),
    counts="messages",
)
"""One message becomes three in two steps: by two edges, and by one of two that shut each other out."""


@pytest.mark.parametrize(("steps", "requests"), [(1, 1), (2, 1 + 3), (3, 1 + 3 + 3), (5, 1 + 3 + 3 + 9 + 9)])
def test_messages_multiply(steps: int, requests: int) -> None:
    """Each is a visit of its own, of which there are as many in a step as messages."""
    assert requests == as_it_stands(replace(FANNED, cap=replace(FANNED.cap, value=steps)), RATES.get).requests


def test_an_edge_that_waits_for_another_sends_nothing_of_its_own() -> None:
    """A node that waits for two runs once."""
    edges = (way("a", "b"), way("a", "c"), way("b", "d"), way("c", "d", is_waited=True))
    joined = graph(tuple(ask(key, calls=1) for key in "abcd"), *edges, counts="messages")

    assert 4 == as_it_stands(joined, RATES.get).requests


@pytest.mark.parametrize(
    "of",
    [
        replace(FANNED, cap=replace(FANNED.cap, value=100_000)),
        replace(LOOP, cap=replace(LOOP.cap, value=10**15)),
        replace(LOOP, cap=replace(LOOP.cap, value=10**15, counts="each")),
        replace(LOOP, cap=replace(LOOP.cap, value=10**15, counts="messages")),
        replace(LOOP, cap=replace(LOOP.cap, value=10**6, counts="messages")),
    ],
)
def test_what_no_cap_really_stops_has_no_number(of: Graph) -> None:
    """More than a trillion requests, or more than the work to count them, are found without walking all steps."""
    worst = as_it_stands(of, RATES.get)

    assert (None, "limit allows more requests than are counted") == (worst.requests, worst.unbounded)


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 999])
def test_a_walk_that_is_cut_short_is_no_less(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are not walked are each counted as one of the dearest node."""
    long = replace(LOOP, cap=replace(LOOP.cap, value=steps))
    exact = as_it_stands(long, RATES.get).requests
    monkeypatch.setattr(counting, "_MOST_WORK", 20)
    short = as_it_stands(long, RATES.get).requests

    assert exact is not None
    assert short is not None
    assert exact <= short <= 2 * exact


def test_a_walk_that_is_cut_short_counts_each_step_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all nodes are as dear, it is exact."""
    alone = graph((ask("a"),), way("a", "a"), steps=50)
    monkeypatch.setattr(counting, "_MOST_WORK", 20)

    assert 100 == as_it_stands(alone, RATES.get).requests


def test_many_messages_on_the_way_to_a_model_have_no_number() -> None:
    """Where each message is a visit, those of code in between are passed on."""
    nodes = (ask("a", calls=0, kind="code"), ask("b", calls=0, kind="code"), ask("c"))
    flood = graph(nodes, way("a", "b"), way("b", "c"), sends=frozenset({"a"}), counts="messages")
    each = replace(flood, cap=replace(flood.cap, counts="each"))

    assert "a starts as many nodes as its code pleases" == as_it_stands(flood, RATES.get).unbounded
    assert 10 == as_it_stands(each, RATES.get).requests


def test_a_visit_without_a_bound_is_never_silent() -> None:
    """It is counted as one request as it stands, as the cap of the machine there, and both are said."""
    open_visit = replace(LOOP, nodes={**LOOP.nodes, "a": ask("a", calls=None, tools=("search",))})
    worst = as_it_stands(open_visit, RATES.get)
    said = assumptions(open_visit, worst, Caps(calls=1))

    assert (5, True, True) == (worst.requests, worst.is_one_a_visit, worst.is_more)
    assert any("one request a visit where nothing bounds them" in clause for clause in said)
    assert "as a machine: at most 2 requests a visit of a, where nothing bounds them now" in said
    assert "no request to a model in the tools of a: they are not looked into" in said


def test_a_model_without_a_name_has_no_price() -> None:
    """The nodes are named, until --model names one."""
    unnamed = replace(LOOP, nodes={**LOOP.nodes, "b": ask("b", calls=1, model=None)})
    worst = as_it_stands(unnamed, RATES.get)

    assert (8, None, None, ("b",)) == (worst.requests, worst.tokens, worst.cost_usd, worst.unnamed)
    assert any("no one model is named by b" in clause for clause in assumptions(unnamed, worst, Caps()))
    assert Fraction("0.024") == as_it_stands(unnamed, RATES.get, model="cheap").cost_usd


def test_a_model_without_a_price_has_none() -> None:
    """A sum without one of its parts would be a false number."""
    odd = replace(LOOP, nodes={**LOOP.nodes, "b": ask("b", calls=1, model="of nobody")})

    assert as_it_stands(odd, RATES.get).cost_usd is None


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"cap": replace(LOOP.cap, value=None)}, "limit is not set"),
        ({"sends": frozenset({"a"})}, "a starts as many nodes as its code pleases"),
        ({"outside": ("a: the tool look is an agent",)}, "a: the tool look is an agent"),
    ],
)
def test_what_nothing_bounds_has_no_number(more: Any, why: str) -> None:
    """Why is said instead."""
    worst = as_it_stands(replace(LOOP, **more), RATES.get)

    assert (None, None, None, why) == (worst.requests, worst.tokens, worst.cost_usd, worst.unbounded)


def test_sends_that_start_no_model_are_bounded() -> None:
    """As many nodes as code pleases ask nothing if they are code, or if no run comes to what starts them."""
    nodes = (ask("a"), ask("b", kind="code"), ask("away", calls=1))
    edges = (way("a", "b"), way("b", END), way("away", "a"))

    assert 2 == as_it_stands(graph(nodes, *edges, sends=frozenset({"a", "away"})), RATES.get).requests


@pytest.mark.parametrize(
    "more",
    [
        {"joins": {"b": ("a",)}},
        {"forks": frozenset({"a"})},
        {"may_fork": frozenset({"a"})},
        {"sends": frozenset({"a"})},
        {"outside": ("a: a tool",)},
    ],
)
def test_what_is_side_by_side_or_outside_is_not_bounded(more: Any) -> None:
    """Each alone is enough."""
    assert is_bounded(LOOP)
    assert not is_bounded(replace(LOOP, **more))


def problems(of: Graph) -> str:
    """Return all that is found, a line each."""
    return "\n".join(found.problem for found in examine(of, "app.py:1"))


def test_one_is_one() -> None:
    """Words for one thing are those for one."""
    cycle = (way("a", "b"), way("b", "a"), way("b", "c"), way("c", "a", trust="assumed"))
    one = graph((ask("a", calls=None, tools=("search",)), ask("b"), ask("c")), *cycle)
    two = replace(one, nodes={**one.nodes, "a": ask("a", calls=None, tools=("search", "find"))})

    assert "a -> b -> a, and 1 more node in it." in problems(one)
    assert "with 1 tool:" in problems(one)
    assert "1 target taken as possible" in problems(one)
    assert "with 2 tools:" in problems(two)


def test_what_asks_beside_the_nodes_is_never_silent() -> None:
    """The number is said to be more, and why."""
    guarded = replace(LOOP, uncounted=("what 1 guardrail of a asks of models",))
    worst = as_it_stands(guarded, RATES.get)

    assert (False, True) == (as_it_stands(LOOP, RATES.get).is_more, worst.is_more)
    assert any(
        "what 1 guardrail of a asks of models, which is not" in clause for clause in assumptions(guarded, worst, Caps())
    )


def test_what_has_no_cycle_ends_without_a_limit() -> None:
    """Each node is come to once; side by side, or in a cycle, nothing bounds it."""
    line = graph((ask("a"), ask("b", calls=1)), way("a", "b"), way("b", END), steps=None)
    worst = as_it_stands(line, RATES.get)

    assert (3, "") == (worst.requests, worst.unbounded)
    assert not any("started with another" in clause for clause in assumptions(line, worst, Caps()))
    away = replace(line, nodes={**line.nodes, "c": ask("c")}, edges=(*line.edges, way("c", "c"), way("c", "a")))
    assert 3 == as_it_stands(away, RATES.get).requests, "no run comes to that cycle"
    for wide in ("forks", "may_fork", "sends"):
        assert as_it_stands(replace(line, **{wide: frozenset({"a"})}), RATES.get).requests is None
    assert as_it_stands(replace(line, joins={"b": ("a",)}), RATES.get).requests is None
    assert as_it_stands(replace(LOOP, cap=replace(LOOP.cap, value=None)), RATES.get).requests is None


def test_what_is_found_does_not_contradict_that_a_run_ends() -> None:
    """Without a cycle it is not said that a run goes on, nor that something stops a visit without a bound."""
    line = graph((ask("a", calls=None), ask("b", calls=1)), way("a", "b"), way("b", END), steps=None)
    again = replace(line, edges=(*line.edges, way("b", "a")))

    assert "a run that fails has no answer" in problems(line)
    assert "a run that goes on or fails has no answer" in problems(again)
    for each in (line, again, replace(line, cap=LOOP.cap)):
        assert "'a' may make any number of requests: nothing bounds them\n" in problems(each)
    asked = replace(line, cap=replace(LOOP.cap, counts="requests"))
    assert "'a' may make any number of requests: only limit=5" in problems(asked)


def test_an_entry_that_was_added_takes_no_step() -> None:
    """Of five steps it is none, so that a, b, a, b, a come after it."""
    edges = (way("start", "a"), way("a", "b"), way("b", "a"))
    added = graph((ask("start", calls=0, kind="code"), ask("a"), ask("b", calls=1)), *edges, is_entry_added=True)

    assert (8, 6) == tuple(
        as_it_stands(each, RATES.get).requests for each in (added, replace(added, is_entry_added=False))
    )
