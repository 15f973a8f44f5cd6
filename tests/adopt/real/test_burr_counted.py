"""Requests that hostile applications of Burr really make, against the numbers that are printed of them."""

from inspect import signature
from typing import Any

import pytest
from support.counted import Asked, assuming, standing, too_small

pytest.importorskip("burr", reason="Burr is not installed; nox -s adopt installs it")

from collections.abc import Generator

from burr.core import Action, Application, ApplicationBuilder, Condition, State, action, when
from burr.core.action import Input
from burr.core.parallelism import MapStates
from burr.core.persistence import SQLitePersister
from burr.lifecycle import PostRunStepHook

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


def ask_many(*_: Any, **__: Any) -> bool:
    """Ask a model nine times in a way that source does not show."""
    client.requests += 9
    return True


class Hook(PostRunStepHook):
    """Asks after each step."""

    def post_run_step(self, **_: Any) -> None:
        ask_many()


class Judging(Condition):
    """Asks whether it holds."""

    def run(self, state: State, **_: Any) -> dict[str, bool]:
        return {Condition.KEY: ask_many()}


class Own(Application[Any]):
    """Asks before each step."""

    def get_next_action(self) -> Any:
        ask_many()
        return super().get_next_action()


class Store(SQLitePersister):
    """Asks what is worth to be kept."""

    def save(self, *words: Any, **options: Any) -> None:
        ask_many()


def hooked(made: ApplicationBuilder[Any]) -> Application[Any]:
    """Return an application of two actions."""
    ways = made.with_actions(a=asks, z=asks).with_transitions(("a", "z")).with_entrypoint("a").with_state(n=0)
    return ways.build()


def store() -> Store:
    made = Store(":memory:")
    made.initialize()
    return made


def own() -> Application[Any]:
    made = app(asks)
    made.__class__ = Own
    return made


def judged(condition: Condition) -> Application[Any]:
    return app(asks, ("a", "z", condition))


JUDGE = Condition([], ask_many, name="judge")
BESIDE: dict[str, tuple[Any, str]] = {
    "a hook": (lambda: hooked(ApplicationBuilder().with_hooks(Hook())), "1 hook of thing"),
    "a store": (lambda: hooked(ApplicationBuilder().with_state_persister(store())), "1 store of thing"),
    "a class of its own": (own, "1 own method of thing"),
    "a condition": (lambda: judged(JUDGE), "1 condition of a"),
    "a condition of a class of its own": (lambda: judged(Judging([], lambda _: True, name="x")), "own method of a"),
    "a condition that is turned": (lambda: judged(~(~JUDGE)), "1 condition of a"),
    "one of several conditions": (lambda: judged(when(n=1) & (JUDGE | when(n=2))), "1 condition of a"),
    "a condition of another name": (lambda: judged(Condition([], ask_many, name="default")), "1 condition of a"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_asks_beside_the_actions_is_assumed_away(name: str) -> None:
    """A run makes more requests than its actions, and what is printed says where none was taken to be made."""
    make, clause = BESIDE[name]
    made, before = make(), client.requests
    made.run(halt_after=["z"])

    assert client.requests - before > (standing(made) or 0) > 0
    assert any(clause in said for said in assuming(made)), assuming(made)


def test_where_a_run_begins_is_assumed() -> None:
    """One that goes on from a state may begin where its entrypoint does not lead."""
    made, before = app(asks, ("b", "c"), ("c", "z"), b=asks, c=asks), client.requests
    made.update_state(made.state.update(__PRIOR_STEP="b"))
    printed = assuming(made)
    made.run(halt_after=["z"])

    assert client.requests - before == 2 > (standing(made) or 0)
    assert "a run begins with a, though the application has come to b" in printed


class Typed(Input):
    """Asks a model instead of a human."""

    def run(self, state: State, **_: Any) -> dict[str, Any]:
        ask_many()
        return {"n": 1}


def test_an_input_of_a_class_of_its_own_is_code() -> None:
    """Where nothing is seen to ask, that is said; Burr's own asks the caller."""
    made, before = app(Typed("n")), client.requests
    made.run(halt_after=["z"], inputs={"n": 1})

    assert client.requests - before > (standing(made) or 0)
    assert any("no request to a model in a: none" in said for said in assuming(made))
    assert "human" == detect.read(app(Input("n")), "x").nodes["a"].kind


KNOWN = {
    *("self", "graph", "state", "partition_key", "uid", "entrypoint", "sequence_id", "adapter_set", "builder"),
    *("fork_parent_pointer", "spawning_parent_pointer", "tracker", "parallel_executor_factory", "state_persister"),
    "state_initializer",
}
"""What is read of an application, or runs none of the user's code in a run whose number is bounded."""


def test_no_other_argument_may_hold_code() -> None:
    """One that is new there is to be read, or to be added to those that are harmless."""
    assert set() == signature(Application.__init__).parameters.keys() - KNOWN
