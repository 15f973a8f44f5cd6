"""What is read of CrewAI's flows, against CrewAI itself."""

import pytest
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("crewai", reason="CrewAI is not installed; nox -s adopt installs it")

from adopt.examples import crew_flow
from crewai.flow.flow import Flow, listen, router, start
from crewai.flow.human_feedback import human_feedback

from fsm_orch.adopt import crewai
from fsm_orch.adopt.graph import END
from fsm_orch.errors import Unreadable


class Two(Flow):
    """Two starts, and a listener to a router itself beside one to what it says."""

    @start()
    def left(self) -> None: ...

    @start()
    def right(self) -> None: ...

    @router(left)
    def judge(self) -> str:
        return "good"

    @listen("good")
    def publish(self) -> None:
        self.state["ran"] = [*self.state.get("ran", []), "publish"]

    @listen(judge)
    def note(self) -> None:
        self.state["ran"] = [*self.state.get("ran", []), "note"]

    @router(right)
    def anything(self) -> str:
        return str(self.state)


def test_all_ways_of_a_flow_are_read() -> None:
    """A cycle, a dead event and all ends stand in the graph, of the class as of an object."""
    graph = crewai.read(crew_flow.Articles, "Articles")

    assert "plan" == graph.entry
    assert {
        "plan": {"facts", "style"},
        "facts": {"judge"},
        "style": {"judge"},
        "judge": {"publish", "rewrite", END},
        "rewrite": {"look"},
        "look": {"publish", "rewrite"},
        "publish": {END},
        "orphan": {END},
    } == ways(graph)
    assert graph == crewai.read(crew_flow.Articles(), "Articles")


def test_what_a_router_says_is_declared_or_read_or_assumed() -> None:
    """A Literal is declared, constants are read in the source, and what is computed may be any text that is heard."""
    articles, two = crewai.read(crew_flow.Articles, "Articles"), crewai.read(Two, "Two")

    assert "declared" == the_edge(articles, "judge", "publish").trust
    assert "read" == the_edge(articles, "look", "rewrite").trust
    assert {("publish", "assumed"), (END, "assumed")} == {(edge.target, edge.trust) for edge in two.leaving("anything")}


def test_a_dead_event_ends_the_flow_and_is_said() -> None:
    """What nobody listens to is a way to the end, and what nothing says is unused."""
    graph = crewai.read(crew_flow.Articles, "Articles")

    assert "nobody listens to 'hopeless'" == the_edge(graph, "judge", END).via
    assert any("'hopeless'" in clause for clause in graph.lost)
    assert ("orphan: listens to 'forgotten', which nothing says",) == graph.unused


def test_forks_and_joins_are_read() -> None:
    """Several that listen to one run at once, and `and_` waits for all."""
    graph = crewai.read(crew_flow.Articles, "Articles")

    assert {"plan"} == graph.forks
    assert {"judge": ("facts", "style")} == graph.joins


def test_several_starts_and_a_routers_own_name_fork() -> None:
    """CrewAI runs who listens to a router's name beside who listens to what it says."""
    graph = crewai.read(Two, "Two")
    flow = Two(suppress_flow_events=True)
    flow.kickoff()

    assert {"left", "right"} == ways(graph)[graph.entry]
    assert {graph.entry, "judge"} == graph.forks
    assert {"publish", "note"} == ways(graph)["judge"]
    assert {"publish", "note"} == set(flow.state["ran"])


def test_starts_with_a_condition_begin_a_flow_that_has_no_other() -> None:
    """CrewAI runs them then, and again when what they listen to is said."""

    class Retried(Flow):
        @start("retry")
        def draft(self) -> None:
            self.state["drafts"] = self.state.get("drafts", 0) + 1

        @router(draft)
        def look(self) -> str:
            return "good" if self.state["drafts"] > 1 else "retry"

    flow = Retried(suppress_flow_events=True)
    flow.kickoff()
    graph = crewai.read(flow, "flow")

    assert 2 == flow.state["drafts"]
    assert "draft" == graph.entry
    assert {"draft": {"look"}, "look": {"draft", END}} == ways(graph)
    assert () == graph.unused


def test_a_router_that_says_its_own_name_to_nobody_ends_the_flow() -> None:
    """A way that looks like another try is an end, which is said."""

    class Asked(Flow):
        @start()
        def load(self) -> None: ...

        @router(load)
        def ask(self) -> str:
            return "good" if self.state else "ask"

        @listen("good")
        def publish(self) -> None: ...

    graph = crewai.read(Asked, "Asked")

    assert ("nobody listens to 'ask'", "code") == (the_edge(graph, "ask", END).via, the_edge(graph, "ask", END).chooses)
    assert any(clause.startswith("ask: nobody listens to 'ask'") for clause in graph.lost)


def test_a_human_is_asked_with_or_without_a_model() -> None:
    """Where texts are to be told from an answer, CrewAI asks a model, so that the method is one of a model."""

    class Approved(Flow):
        @start()
        @human_feedback(message="Good?")
        def draft(self) -> None: ...

        @listen(draft)
        @human_feedback(message="Sure?", emit=["yes", "no"], llm="gpt-4o-mini")
        def confirm(self) -> None: ...

        @listen("yes")
        def publish(self) -> None: ...

    graph = crewai.read(Approved, "Approved")

    assert ("human", 0, False) == tuple(getattr(graph.nodes["draft"], name) for name in ("kind", "calls", "blind"))
    assert ("llm", 2, False) == tuple(getattr(graph.nodes["confirm"], name) for name in ("kind", "calls", "blind"))
    assert {"publish", END} == ways(graph)["confirm"]
    assert {"draft", "confirm"} == {clause.partition(":")[0] for clause in graph.lost if "asks a human" in clause}


def test_crews_are_requests() -> None:
    """A method that kicks off a crew asks models as often as the crew pleases, and the others are blind."""
    graph = crewai.read(crew_flow.Articles, "Articles")

    assert {"facts", "style", "judge", "publish", "look", "orphan"} == blind(graph)
    assert graph.nodes["plan"].calls is None


def test_the_cap_is_of_each_method() -> None:
    """It is 100 calls by default."""
    assert 100 == crewai.read(crew_flow.Articles, "Articles").cap.value


def test_a_name_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says the framework, its version and what was missing."""
    owner = next(base for base in Flow.__mro__ if "flow_definition" in vars(base))
    monkeypatch.delattr(owner, "flow_definition")

    with pytest.raises(Unreadable, match=r"the class Articles has no 'flow_definition', in crewai 1\.\d+"):
        crewai.read(crew_flow.Articles, "Articles")
