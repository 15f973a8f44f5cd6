"""What is read of Burr, against Burr itself."""

from unittest.mock import patch

import pytest
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("burr", reason="Burr is not installed; nox -s adopt installs it")

from adopt.examples import burr_mail
from burr.core import Action, ApplicationBuilder, Result, State, action, default, expr
from burr.core.graph import Graph
from burr.core.parallelism import MapStates

from fsm_orch.adopt import burr
from fsm_orch.adopt.graph import END
from fsm_orch.errors import Unreadable


def test_all_ways_of_an_application_are_read() -> None:
    """A self-loop, a cycle and every end stand in the graph, in the order in which conditions are tried."""
    graph = burr.read(burr_mail.application, "application")

    assert "receive" == graph.entry
    assert {
        "receive": {"receive", "sort"},
        "sort": {"draft", "archive", END},
        "draft": {"review"},
        "review": {"draft", "send"},
        "send": {END},
        "archive": {END},
    } == ways(graph)
    assert ["draft", "archive", END] == [edge.target for edge in graph.leaving("sort")]


def test_conditions_are_kept_as_names() -> None:
    """An expression and a comparison keep their text; a default has no condition, and is nobody's choice if alone."""
    graph = burr.read(burr_mail.application, "application")

    assert ("len(mail) == 0", "code") == (
        the_edge(graph, "receive", "receive").condition,
        the_edge(graph, "receive", "receive").chooses,
    )
    assert "kind=question" == the_edge(graph, "sort", "draft").condition
    assert (None, "code") == (the_edge(graph, "review", "send").condition, the_edge(graph, "review", "send").chooses)
    assert "always" == the_edge(graph, "draft", "review").chooses


def test_an_action_whose_conditions_may_all_fail_may_end_the_run() -> None:
    """It stops there in Burr too, and so the end is a way that is assumed."""
    assert "assumed" == the_edge(burr.read(burr_mail.application, "application"), "sort", END).trust

    @action(reads=[], writes=["n"])
    def count(state: State) -> State:
        return state.update(n=1)

    app = (
        ApplicationBuilder()
        .with_actions(count=count, last=Result("n"))
        .with_transitions(("count", "last", expr("n > 5")))
        .with_entrypoint("count")
        .build()
    )
    app.step()

    assert app.get_next_action() is None


def test_what_stands_behind_a_default_is_unused() -> None:
    """Burr tries conditions in order, so a way behind the default is never taken."""
    (unused,) = burr.read(burr_mail.application, "application").unused

    assert unused.startswith("review -> archive")


def test_requests_are_seen_through_helpers_and_in_loops() -> None:
    """A request in a function that an action calls is one of the action's, and one in a loop has no bound."""
    graph = burr.read(burr_mail.application, "application")

    assert (1, None) == (graph.nodes["sort"].calls, graph.nodes["draft"].calls)
    assert {"receive", "review", "send", "archive"} == blind(graph)


def test_a_graph_alone_has_an_assumed_start() -> None:
    """The entrypoint is the application's, and the reader says what it took for it; what is lost names no other."""
    whole = burr.read(burr_mail.application, "application")
    alone = burr.read(burr_mail.application.graph, "graph")

    assert "receive" == alone.entry
    assert ((), ("a run begins with receive, which is listed first",)) == (whole.assumed, alone.assumed)
    for graph in (whole, alone):
        assert {*graph.nodes} >= {key for keys in graph.not_kept().values() for key in keys}
        assert not any("listed first" in clause for clause in graph.lost)


def test_parallel_actions_start_as_many_as_they_please() -> None:
    """An action that maps over states is said to send."""

    class Each(MapStates):
        def action(self, state: State, inputs: object) -> Action: ...
        def states(self, state: State, context: object, inputs: object): ...
        def reduce(self, state: State, states: object) -> State: ...

        @property
        def reads(self) -> list[str]:
            return []

        @property
        def writes(self) -> list[str]:
            return ["n"]

    app = (
        ApplicationBuilder()
        .with_actions(each=Each(), last=Result("n"))
        .with_transitions(("each", "last", default))
        .with_entrypoint("each")
        .build()
    )

    assert {"each"} == burr.read(app, "app").sends


def test_a_name_that_is_gone_is_named() -> None:
    """The error says the framework, its version and what was missing."""
    graph = burr_mail.application.graph
    with (
        patch.object(Graph, "__getattribute__", _without("transitions")),
        pytest.raises(
            Unreadable, match=r"Burr cannot be read: ApplicationGraph has no 'transitions', in apache-burr 0\.\d+"
        ),
    ):
        burr.read(graph, "graph")


def _without(name: str):
    """Return a way to read attributes that has lost one."""

    def read(thing: object, wanted: str) -> object:
        if wanted == name:
            raise AttributeError(name)
        return object.__getattribute__(thing, wanted)

    return read
