"""Requests that hostile flows of CrewAI really make, against the numbers that are printed of them."""

from typing import Any

import pytest
from support.counted import Asked, standing, too_small

pytest.importorskip("crewai", reason="CrewAI is not installed; nox -s adopt installs it")

from contextlib import suppress

from crewai.flow.flow import Flow, and_, listen, or_, router, start

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
