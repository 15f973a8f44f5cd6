"""Replies with anything in any part: the attempt fails or is refused, is counted, and the run ends as promised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any
from unittest.mock import ANY, Mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr
from support.lanes import in_both_lanes

from fsm_orch import Context, Final, Machine, Message, Reply, Runner, RunResult, ScriptedModel, State, Visit, to_json
from fsm_orch.agents import AgentSpec, PlainAgent
from fsm_orch.kernel import records
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.messages import ToolCall
from fsm_orch.store import input_from_json
from fsm_orch.testing import TheoremChecker


class Facts(Context):
    """What the agent writes."""

    answer: str | None = None


class Others(Context):
    """Another context, with a field of the same name."""

    answer: str | None = None


def stand_in(visit: Visit[Any]) -> None:
    """Do nothing."""


class Own:
    """An agent of the user's own, which counts its attempts."""

    def __init__(self, kind: Any = "code", **options: Any) -> None:
        self.spec = AgentSpec(kind=kind, name="Own", writes=(Facts.answer,), canonical={}, **options)

    async def act(self, visit: Visit[Any]) -> Any:
        """Do nothing."""


class Code(Machine[Facts]):
    """A function, in which others stand in."""

    work = State(stand_in, initial=True, writes=(Facts.answer,), attempts=2)
    done, human = Final(), Final(fallback=True)
    go, stay = work.to(done), work.to(human)


class Once(Machine[Facts]):
    """A function that is called once; it has side effects."""

    work = State(stand_in, initial=True, writes=(Facts.answer,))
    done, human = Final(), Final(fallback=True)
    go, stay = work.to(done), work.to(human)


class Proposing(Machine[Facts]):
    """An agent with a model, whose replies are repaired."""

    work = State(Own("llm", calls=3, proposes=True), initial=True)
    done, human = Final(), Final(fallback=True)
    go, stay = work.to(done, "yes"), work.to(human, "no")


MOST = {Code: 2, Once: 1, Proposing: 3}
"""How often each may be begun."""


class Bent(str):
    """A text that is not just a text."""

    __slots__ = ()

    def __str__(self) -> str:
        return "go"


class Names(StrEnum):
    """Names, as an enumeration."""

    go = "go"


class Hostile(Mapping[Any, Any]):
    """A mapping whose methods raise."""

    def __getitem__(self, key: Any) -> Any:
        raise KeyError(key)

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("no keys")

    def __len__(self) -> int:
        return 1


class Unchecked(Reply):
    """A reply that does not look at what it is made of."""

    def __post_init__(self) -> None:
        """Check nothing."""


LONE = "\ud800"
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [
            *[
                None,
                True,
                0,
                17,
                float("nan"),
                "",
                "go",
                "nowhere",
                LONE,
                b"go",
                (),
                [],
                {},
                "sorry",
                ("go",),
                object(),
            ],
            *[Code.go, Once.go, Code.work, Facts.answer, Others.answer, Facts(), Bent("go"), Names.go, Hostile()],
            *[Reply, Message, ValueError("x"), Mock(), 10**400, {"answer": "yes"}, {Others.answer: "yes"}, {17: 1}],
            *[{Facts.answer: "yes", "answer": "no"}, {LONE: 1}, {Facts.answer: object()}, {Bent("answer"): "yes"}],
        ]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.lists(inner, max_size=2).map(tuple),
    max_leaves=3,
)


def made(kind: Callable[..., Any], **parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Callable[[], Any]]:
    """Draw how to make a value; it is made in the agent, where it may raise."""
    drawn = {name: part.map(lambda value: value if callable(value) else lambda: value) for name, part in parts.items()}
    return st.fixed_dictionaries(drawn).map(
        lambda given: lambda: kind(**{name: value() if callable(value) else value for name, value in given.items()})
    )


BAD = ANYTHING.map(lambda value: lambda: value)
CALL = made(ToolCall, id=BAD, name=BAD, arguments=BAD)
MESSAGE = made(
    Message,
    role=st.just(lambda: "user") | BAD,
    content=st.just(lambda: "hello") | BAD,
    agent=st.just(lambda: None) | BAD,
    tool_calls=st.just(tuple) | BAD | CALL.map(lambda call: lambda: (call(),)),
    tool_call_id=st.just(lambda: None) | BAD,
)
REFUSAL = made(Refusal, reason=st.just(lambda: "not_json") | BAD, detail=st.just(lambda: "No.") | BAD)
PARTS: dict[str, st.SearchStrategy[Callable[[], Any]]] = {
    "handoff": st.sampled_from([lambda: None, lambda: "go"]) | BAD,
    "changes": st.just(lambda: {Facts.answer: "yes"}) | BAD,
    "messages": st.just(tuple) | BAD | MESSAGE.map(lambda message: lambda: (message(),)),
    "refusal": st.just(lambda: None) | BAD | REFUSAL,
}


def forced(**parts: Any) -> Reply:
    """Make a reply, and put its parts in behind its back."""
    reply = Reply()
    for name, part in parts.items():
        force_setattr(reply, name, part)
    return reply


REPLIES = st.sampled_from([Reply, Unchecked, forced]).flatmap(lambda kind: made(kind, **PARTS))


def run(machine: type[Machine[Facts, None]], reply: Callable[[], Any], form: str) -> tuple[RunResult[Facts], int]:
    """Run a machine whose agent gives a reply. Return the result, and how often the agent was begun."""
    begun: list[str] = []

    def give(visit: Visit[Any]) -> Any:
        begun.append(visit.key)
        return reply()

    async def give_later(visit: Visit[Any]) -> Any:
        return give(visit)

    class Plain(PlainAgent):
        spec = machine.definition.states["work"].spec

        def begin(self, visit: Visit[Any, Any]) -> Any:
            return give(visit)

    class Awaited(Own):
        async def act(self, visit: Visit[Any]) -> Any:
            return give(visit)

    agents: dict[str, Any] = {"def": give, "async def": give_later, "plain": Plain(), "own": Awaited()}
    runner = Runner(machine, agents={machine.definition.states["work"]: agents[form]}, model=ScriptedModel([]))
    result = runner.run_sync(Facts())
    TheoremChecker(runner.compiled).follow_all(result.journal)
    return result, len(begun)


@in_both_lanes(few=200, many=1_000, most=3_000)
def test_whatever_a_reply_holds_the_run_ends(examples: int) -> None:
    """However wrong a reply is: each attempt is counted and recorded, and the journal is read back as it was."""

    @settings(max_examples=examples)
    @given(st.sampled_from([*MOST]), REPLIES, st.sampled_from(["def", "async def", "plain", "own"]))
    @example(Once, lambda: forced(refusal="sorry"), "def")
    @example(Once, lambda: forced(refusal=""), "def")
    def is_ended(machine: type[Machine[Facts, None]], reply: Callable[[], Any], form: str) -> None:
        result, begun = run(machine, reply, form)

        ended = [
            r for r in result.records if isinstance(r, records.AttemptFailed | records.Refused | records.HandedOff)
        ]
        assert 1 <= begun <= MOST[machine]
        assert len(ended) >= begun
        assert result.state in (machine.definition.finals.values())
        assert result.journal == tuple(input_from_json(to_json(event)) for event in result.journal)

    is_ended()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"handoff": 3}, "the handoff of a reply cannot be a int: give str or Handoff or NoneType"),
        ({"changes": None}, "the changes of a reply cannot be a NoneType"),
        ({"changes": {17: "yes"}}, "keyed by fields, such as Ticket.answer, not by a int"),
        ({"messages": "hello"}, "the messages of a reply cannot be a str: give tuple"),
        ({"messages": ("hello",)}, "a tuple of Message"),
        ({"messages": ANY}, "the messages of a reply cannot be a _ANY: give tuple"),
        ({"refusal": "sorry"}, "the refusal of a reply cannot be a str: give Refusal or NoneType"),
        ({"refusal": Refusal("no", "x")}, r"refusal\[0\] of a reply|refusal.reason of a reply"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_part_is_named_where_the_reply_is_made(parts: dict[str, Any], said: str) -> None:
    """The error is raised in the line that makes the reply, names the part, and the attempt is the only one."""
    result, begun = run(Once, lambda: Reply(**parts), "def")

    assert 1 == begun
    assert result.landing is not None
    assert "failure" == result.landing.reason
    assert re.search(said, result.landing.detail)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (lambda: Reply(changes={Others.answer: "yes"}), r"writes Others.answer, which is no field of its Facts"),
        (lambda: Reply(changes={Facts.answer: "yes", "answer": "no"}), "writes 'answer' twice"),
        (lambda: forced(refusal="sorry"), "gives what a journal cannot hold"),
        (lambda: Reply(handoff=LONE, changes={"answer": "yes"}), "gives what a journal cannot hold"),
    ],
)
def test_what_is_found_later_names_the_agents_line(reply: Callable[[], Any], said: str) -> None:
    """What only the whole reply shows is said with the line of the agent that gave it."""
    result, _ = run(Once, reply, "own")

    assert result.landing is not None
    assert re.search(said, result.landing.detail)
    assert f"{Path(__file__).name}:" in result.landing.detail
    assert "sorry" not in result.landing.detail
