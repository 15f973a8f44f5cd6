"""Requests that hostile flows of CrewAI really make, against the numbers that are printed of them."""

import functools
from typing import Any, Literal

import pytest
from support.counted import Asked, assuming, standing, too_small

pytest.importorskip("crewai", reason="CrewAI is not installed; nox -s adopt installs it")

from contextlib import suppress

from crewai import BaseLLM
from crewai.flow.flow import Flow, and_, listen, or_, router, start
from crewai.flow.flow_definition import FlowDefinition, FlowHumanFeedbackDefinition, FlowMethodDefinition
from crewai.flow.human_feedback import human_feedback
from crewai.flow.persistence import SQLiteFlowPersistence, persist

from fsm_orch.adopt import detect

client = Asked()


class StartAgain(Flow):
    """Begins again by what its router says, which the cap does not count."""

    @start("again")
    def draft(self) -> None:
        client.create()

    @router(draft, emit=["again"])
    def judge(self) -> str:
        return "again"


class StartAndListen(Flow):
    """Begins, and listens as well."""

    @start()
    @listen("again")
    def draft(self) -> None:
        client.create()

    @router(draft, emit=["again"])
    def judge(self) -> str:
        return "again"


class Round(Flow):
    """Goes round until its cap."""

    @start()
    def begin(self) -> None: ...

    @router(or_(begin, "again"), emit=["again"])
    def loop(self) -> str:
        client.create()
        return "again"


class ByName(Flow):
    """Has a router that computes the name of a method, which nothing else leads to."""

    @start()
    def begin(self) -> None: ...

    @router(begin)
    def route(self) -> str:
        return "".join(["hid", "den"])

    @listen("asks")
    def hidden(self) -> None: ...

    @listen("hidden")
    def asks(self) -> None:
        client.create()


class Diamond(Flow):
    """Asks in both branches, and after them."""

    @start()
    def a(self) -> None:
        client.create()

    @listen(a)
    def b(self) -> None:
        client.create()

    @listen(a)
    def c(self) -> None:
        client.create()

    @listen(and_(b, c))
    def d(self) -> None:
        client.create()


class TwoRouters(Flow):
    """Has two routers behind one method."""

    @start()
    def a(self) -> None:
        client.create()

    @router(a, emit=["x"])
    def one(self) -> str:
        return "x"

    @router(a, emit=["y"])
    def two(self) -> str:
        return "y"

    @listen("x")
    def b(self) -> None:
        client.create()

    @listen(or_("y", "x"))
    def c(self) -> None:
        client.create()


@pytest.mark.parametrize(
    ("flow", "options"),
    [
        (StartAgain, {}),
        (StartAndListen, {}),
        (Round, {"max_method_calls": 150}),
        (Diamond, {}),
        (TwoRouters, {}),
    ],
)
def test_no_number_is_too_small(flow: Any, options: dict[str, int]) -> None:
    """Neither that of the flow as it stands, nor what is proved of a machine."""
    made, before = flow(**options), client.requests
    with suppress(RecursionError):
        made.kickoff()
    requests = client.requests - before

    assert requests > 1
    assert [] == too_small(made, requests)


def test_a_router_that_says_the_name_of_a_method_is_assumed_away() -> None:
    """Who listens to that method runs, though nothing that was read leads there."""
    made, before = ByName(), client.requests
    with suppress(RecursionError):
        made.kickoff()

    assert client.requests > before
    assert 0 == standing(made)
    assert ("no name of a method is said by route, which would run who listens to that",) == detect.read(
        made, "x"
    ).assumed


def test_the_cap_of_an_object_is_its_own() -> None:
    """That of the class stands where nothing else is said."""
    assert (150, 100) == (standing(Round(max_method_calls=150)), standing(Round))


HIDE = "hide"


def saying(work: Any) -> Any:
    """Return a function around another, which says something else."""

    @functools.wraps(work)
    def inner(self: Any) -> str:
        work(self)
        return HIDE

    return inner


def hiding(route: Any, **options: Any) -> type[Flow]:
    """Return a flow with a router, and with a listener to a text that no declaration tells of."""
    routes = router("begin", **options)(route)

    class Hidden(Flow):
        route = routes

        @start()
        def begin(self) -> None: ...

        @listen("done")
        def ends(self) -> None: ...

        @listen("hide")
        def hidden(self) -> None:
            client.create()

    return Hidden


def computed(self: Any) -> str:
    return "".join(["hi", "de"])


def annotated(self: Any) -> Literal["done"]:
    return str.lower("HIDE")  # type: ignore[return-value]


@saying
def wrapped(self: Any) -> str:
    return "done"


def rebound(self: Any) -> str:
    return NAMED


def shadowed(self: Any) -> str:
    NAMED = "hi"
    NAMED += "de"
    return NAMED


def undeclared(self: Any) -> str:
    return "hide" if self.state else "done"


NAMED = "done"


@pytest.mark.parametrize(
    ("route", "options"),
    [
        (computed, {"emit": ["done"]}),
        (annotated, {}),
        (wrapped, {"emit": ["done"]}),
        (rebound, {}),
        (shadowed, {"emit": ["done"]}),
    ],
)
def test_what_a_router_says_out_of_sight_is_assumed_away(
    route: Any, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it declares, CrewAI runs who listens to what it says."""
    flow = hiding(route, **options)
    before, most = client.requests, standing(flow())
    printed = assuming(flow())
    monkeypatch.setitem(globals(), "NAMED", "hide")
    flow().kickoff()

    assert client.requests - before > most == 0
    assert "nothing is said by route but what is declared or was seen in the code" in printed


@pytest.mark.parametrize("options", [{"emit": ["done"]}, {}])
def test_what_a_router_says_in_sight_is_read(options: dict[str, Any]) -> None:
    """Whatever it declares."""
    flow, before = hiding(undeclared, **options), client.requests
    flow().kickoff()

    assert client.requests - before == 1
    assert [] == too_small(flow(), client.requests - before)
    assert not any("nothing is said by" in clause for clause in assuming(flow()))


@pytest.mark.parametrize("route", [shadowed, wrapped])
def test_a_router_whose_results_are_others_may_say_anything(route: Any) -> None:
    """A variable is not the global of its name, and what stands around a function says something else."""
    flow, before = hiding(route), client.requests
    flow().kickoff()

    assert client.requests - before == 1
    assert [] == too_small(flow(), client.requests - before)


class Store(SQLiteFlowPersistence):
    """Asks what is worth to be kept."""

    def save_state(self, *words: Any, **options: Any) -> None:
        ask_many()


@persist(Store(":memory:"))
class Kept(Flow):
    """Is kept after each of its methods."""

    @start()
    def begin(self) -> None: ...


class Own(Flow):
    """Asks before it begins."""

    @start()
    def begin(self) -> None: ...

    async def kickoff_async(self, *words: Any, **options: Any) -> Any:
        ask_many()
        return await super().kickoff_async(*words, **options)


class Provider:
    """Asks a model instead of a human."""

    def request_feedback(self, context: Any, flow: Any) -> str:
        ask_many()
        return "yes"


class Failing(BaseLLM):
    """Fails when it is asked for a form, and else makes three requests for one."""

    def call(self, messages: Any, *words: Any, **options: Any) -> str:
        client.create()
        if options.get("response_model"):
            raise ValueError("no form")
        client.create()
        return "yes"


def ask_many() -> None:
    """Ask a model nine times in a way that source does not show."""
    client.requests += 9


class Asking(Flow):
    """Asks somebody."""

    @start()
    @human_feedback(message="Good?", provider=Provider())
    def draft(self) -> str:
        return "x"


class Deciding(Flow):
    """Has a model decide what was meant."""

    @start()
    @human_feedback(message="Good?", emit=["yes", "no"], llm=Failing(model="x"), provider=Provider())
    def draft(self) -> str:
        return "x"


class Learning(Flow):
    """Has a model learn of what was meant."""

    @start()
    @human_feedback(message="Good?", learn=True)
    def draft(self) -> str:
        return "x"


BESIDE: dict[str, tuple[Any, str]] = {
    "a store": (Kept, "store of thing"),
    "a class of its own": (Own, "1 own method of thing"),
    "a provider": (Asking, "1 feedback provider of draft"),
    "a model of its own": (Deciding, "the client of draft"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_asks_beside_the_methods_is_assumed_away(name: str) -> None:
    """A run makes more requests than its methods, and what is printed says where none was taken to be made."""
    make, clause = BESIDE[name]
    made, before = make(), client.requests
    made.kickoff()

    assert client.requests - before > (standing(made) or 0) / 100  # of each method, 100 times
    assert any(clause in said for said in assuming(made)), assuming(made)


def test_what_an_answer_means_is_asked_twice_and_learning_without_end() -> None:
    """Once more without a form when the first fails; a memory asks as often as it pleases."""
    assert (200, None) == (standing(Deciding), detect.read(Learning, "x").nodes["draft"].calls)


class Reviewed(Flow):
    """Asks by itself before a human is asked."""

    @start()
    @human_feedback(message="Good?", provider=Provider())
    def draft(self) -> None:
        ask_many()


def test_a_method_that_asks_a_human_may_ask_models_too() -> None:
    """Where none is seen, that is said of it as of any other."""
    made, before = Reviewed(), client.requests
    made.kickoff()

    assert client.requests - before == 18 > (standing(made) or 0)
    assert any("no more requests a visit of draft than were seen in the code" in said for said in assuming(made))


class Answered(Flow):
    """Goes where a human's answer says, whatever its code returns."""

    @start()
    @human_feedback(message="Good?", emit=["yes", "no"], llm=Failing(model="x"), provider=Provider())
    def draft(self) -> str:
        return "no"

    @listen("yes")
    def sends(self) -> None:
        ask_many_in_sight()


def ask_many_in_sight() -> None:
    client.create()
    client.create()
    client.create()


def test_an_answer_of_a_human_is_a_way() -> None:
    """Though the code of the method says another text."""
    before, made = client.requests, Answered(max_method_calls=1)
    made.kickoff()

    assert client.requests - before - 9 == 3 + 3  # without those of the provider, which are not in sight
    assert 2 + 3 == standing(made)
    assert [("draft", "sends", "declared")] == [
        (edge.source, edge.target, edge.trust) for edge in detect.read(made, "x").edges if edge.target == "sends"
    ]


KNOWN: dict[Any, set[str]] = {
    FlowDefinition: {"schema_", "name", "description", "state", "config", "persist", "conversational", "methods"},
    FlowMethodDefinition: {*("description", "do", "start", "listen", "router", "emit", "human_feedback", "persist")},
    FlowHumanFeedbackDefinition: {
        *("message", "emit", "llm", "default_outcome", "metadata", "provider", "learn", "learn_source", "learn_strict")
    },
}
"""What is read, or holds no code of the user's."""


@pytest.mark.parametrize("kind", KNOWN)
def test_no_other_field_may_hold_code(kind: Any) -> None:
    """One that is new there is to be read, or to be added to those that are harmless."""
    assert set() == kind.model_fields.keys() - KNOWN[kind]
