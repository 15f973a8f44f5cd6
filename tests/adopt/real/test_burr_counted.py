"""Requests that hostile applications of Burr really make, against the numbers that are printed of them."""

from typing import Any

import pytest
from support.counted import Asked, standing, too_small

pytest.importorskip("burr", reason="Burr is not installed; nox -s adopt installs it")

from collections.abc import Generator

from burr.core import Action, Application, ApplicationBuilder, State, action, when
from burr.core.parallelism import MapStates

from fsm_orch.adopt import detect
from fsm_orch.adopt.worst import as_it_stands

client = Asked()


@action(reads=[], writes=["n"])
def asks(state: State) -> State:
    """Ask once."""
    client.create()
    return state.update(n=1)


@action(reads=[], writes=["n"])
def loops(state: State) -> State:
    """Ask as often as code pleases."""
    for _ in range(4):
        client.create()
    return state.update(n=1)


def asks_twice() -> None:
    client.create()
    client.create()


@action(reads=[], writes=["n"])
def calls(state: State) -> State:
    """Ask by a function that asks twice."""
    asks_twice()
    return state.update(n=1)


class WritesN:
    """Reads nothing, and writes `n`."""

    @property
    def reads(self) -> list[str]:
        return []

    @property
    def writes(self) -> list[str]:
        return ["n"]


class Each(WritesN, MapStates):
    """Asks for seven states side by side."""

    def states(self, state: State, context: Any, inputs: dict[str, Any]) -> Generator[State, None, None]:
        for number in range(7):
            yield state.update(n=number)

    def action(self, state: State, inputs: dict[str, Any]) -> Any:
        return asks

    def reduce(self, state: State, states: Generator[State, None, None]) -> State:
        return state.update(n=len(list(states)))


class TwoSteps(WritesN, Action):
    """Asks in both halves."""

    def run(self, state: State, **_: Any) -> dict[str, int]:
        client.create()
        return {"n": 1}

    def update(self, result: dict[str, int], state: State) -> State:
        client.create()
        return state.update(**result)


def app(first: Any, *more: tuple[Any, ...], **others: Any) -> Application[Any]:
    """Return an application from `a` to `z`, with other actions and ways between them."""
    actions: dict[str, Any] = {"a": first, **others, "z": asks}
    ways = more or (("a", "z"),)
    return (
        ApplicationBuilder()
        .with_actions(**actions)
        .with_transitions(*ways)
        .with_entrypoint("a")
        .with_state(n=0)
        .build()
    )


HOSTILE = {
    "two ways that hold": lambda: app(
        asks, ("a", "b", when(n=1)), ("a", "c", when(n=1)), ("b", "z"), ("c", "z"), b=asks, c=asks
    ),
    "a map of states": lambda: app(Each()),
    "a map behind a way": lambda: app(asks, ("a", "b"), ("b", "z"), b=Each()),
    "a function that is called": lambda: app(calls),
    "both halves of an action": lambda: app(TwoSteps()),
    "a cycle": lambda: app(asks, ("a", "b"), ("b", "z", when(n=1)), ("b", "a"), b=asks),
}


COUNTED = {"two ways that hold": 3, "a function that is called": 3, "both halves of an action": 3}
"""What is printed of those that end by themselves, which is what a real run asks."""


@pytest.mark.parametrize("name", HOSTILE)
def test_no_number_is_too_small(name: str) -> None:
    """Nothing bounds a run with a cycle or a map, as is said; what is proved of a machine is not too small either."""
    made, before = HOSTILE[name](), client.requests
    made.run(halt_after=["z"])
    requests = client.requests - before

    assert requests > 1
    assert COUNTED.get(name) in (None, requests)
    assert COUNTED.get(name) == standing(made)
    assert [] == too_small(made, requests)


def test_a_loop_in_code_asks_more_than_is_counted() -> None:
    """One request of it is counted, and the number is said to be more."""
    worst = as_it_stands(detect.read(app(loops), "thing"), lambda _: None)

    assert (2, True) == (worst.requests, worst.is_more)
