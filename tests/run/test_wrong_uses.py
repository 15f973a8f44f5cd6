"""Wrong uses of the public face: each says where it is written what is expected, and what to do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY
from uuid import uuid4

import pytest
from msgspec.structs import replace
from support.essays import Essay, Writing, runner, write

from fsm_orch import (
    Final,
    KeywordAgent,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Runner,
    ScriptedModel,
    StartError,
    State,
)
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION
from fsm_orch.limits import CallLimits
from fsm_orch.models.metered import MeteredModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety, assert_bounded, assert_policy, play


class Typing(Machine[Essay]):
    """Write the same essay, elsewhere."""

    typing = State(write, reads=Essay.notes, writes=Essay.notes, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = typing.to(done)


def ask(messages: Any) -> object:
    """Ask a model that must refuse before it books a call."""
    desk: Any = None
    return asyncio.run(MeteredModel(ScriptedModel([]), desk, CallLimits()).ask(messages))


def machine(kind: Any) -> str:
    return f"{kind} takes the class of a machine, not the context Essay: give the one that runs on it, class X(Machine["


RESULT = Runner(Writing).run_sync(Essay(topic="x"), run_id="r")
OTHER = Typing.definition.digest[:12], Writing.definition.digest[:12]


@pytest.mark.parametrize(
    ("use", "error", "said"),
    [
        (
            lambda: Runner(Writing.definition),
            TypeError,
            "Runner takes the class of a machine, not its definition: give Writing",
        ),
        (lambda: Runner(Essay), TypeError, machine("Runner")),
        (
            lambda: Runner("Writing"),
            TypeError,
            "Runner takes the class of a machine, not a str: write one, class X(Machine[...])",
        ),
        (
            lambda: Runner(Machine),
            TypeError,
            "Runner takes the class of a machine, not the class Machine: write one, class X(Machine[...])",
        ),
        (lambda: prove(Essay), TypeError, machine("prove")),
        (lambda: assert_bounded(Essay, tokens=1), TypeError, machine("assert_bounded")),
        (lambda: assert_policy(Essay), TypeError, machine("assert_policy")),
        (lambda: RoutingSafety(Essay), TypeError, machine("RoutingSafety")),
        (lambda: play(Essay, Essay(topic="x"), []), TypeError, machine("play")),
        (
            lambda: runner(store=MemoryStore),
            TypeError,
            "store= takes a store, not the class MemoryStore: write store=MemoryStore()",
        ),
        (
            lambda: runner(store={}),
            TypeError,
            "store= takes a store, or its URL, not a dict: give MemoryStore() or 'sqlite:///runs.db'",
        ),
        (
            lambda: runner(observers=print),
            TypeError,
            "observers= takes a list of functions, not the function print: write observers=[print]",
        ),
        (
            lambda: runner(observers=["print"]),
            TypeError,
            "an observer is a function of a record, not a str: write one",
        ),
        (
            lambda: runner(on_prompt=[print]),
            TypeError,
            "on_prompt= takes a plain function of a Prompted, not a list: write on_prompt=print",
        ),
        (
            lambda: runner(on_prompt=MemoryStore().load),
            TypeError,
            "on_prompt= takes a plain function of a Prompted, not the function load: write on_prompt=print",
        ),
        (
            lambda: runner(limits={"hops": 3}),
            TypeError,
            "limits= takes Limits, not a dict: write limits=Limits(hops=...)",
        ),
        (
            lambda: runner(retry=3),
            TypeError,
            "retry= takes a Retry or None, not an int: how often a call is tried is the `calls` of its agent, "
            "retry=Retry(...) says how long to wait",
        ),
        (
            lambda: runner(agents={"drafting": write}),
            StartError,
            "'drafting' is not a state of Writing: give one of Writing.drafting",
        ),
        (
            lambda: runner().replay(RESULT),
            TypeError,
            "replay takes a journal, not a result: give result.journal",
        ),
        (
            lambda: runner().replay("r"),
            TypeError,
            "replay takes a journal, not a run id: give await store.load(run_id)",
        ),
        (
            lambda: runner().replay(None),
            TypeError,
            "replay takes a journal, not None: give result.journal",
        ),
        (
            lambda: runner().replay(RESULT.records),
            TypeError,
            "a journal holds inputs, not a RunStarted: give result.journal",
        ),
        (
            lambda: Runner(Typing).replay(RESULT.journal),
            StepError,
            f"run r was started on definition {OTHER[1]!r}, and Typing is now {OTHER[0]!r}: fold it on what it was "
            "started on",
        ),
        (
            lambda: runner().replay([replace(RESULT.journal[0], kernel=0)]),
            StepError,
            f"run r was started on kernel 0, and this is kernel {VERSION}, of another version of fsm_orch: fold it on",
        ),
        (
            lambda: KeywordAgent(Essay.topic, {"e": ("abc",)}, otherwise=Writing.done),
            TypeError,
            "a keyword agent names states and final states, not 'e': give the attribute itself",
        ),
        (
            lambda: KeywordAgent(Essay.topic, {Writing.done: ("abc",)}, otherwise="f"),
            TypeError,
            "a keyword agent names states and final states, not 'f': give the attribute itself",
        ),
        (
            lambda: KeywordAgent(Essay.topic, ["abc"], otherwise=Writing.done),
            TypeError,
            "a keyword agent takes words by state, not a list: {refund: ('money back',)}",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x", notes=("mine",), text="mine")),
            StartError,
            "this Essay comes with notes, text set, and notes is marked Preset: only agents write it. "
            "Leave it out, or mark it as the caller's: Given[...]",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), deps={}),
            StartError,
            "Writing has no dependencies: leave deps= out, or declare their type, Machine[Essay, ...]",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), run_id=5),
            StartError,
            "run_id= takes text that UTF-8 can encode, and this int is none",
        ),
        *(
            (
                lambda wrong=wrong: runner().run_sync(Essay(topic="x"), run_id=wrong),
                StartError,
                f"run_id= takes text that UTF-8 can encode, and this {type(wrong).__name__} is none",
            )
            for wrong in (["r"], [], 0, b"")
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), run_id=""),
            StartError,
            "run_id= names a run, and '' names none: leave it out for a random one",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), thread_id="\ud800"),
            StartError,
            "thread_id= takes text that UTF-8 can encode, and this str is none",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), trace_id=b"x"),
            StartError,
            "trace_id= takes text that UTF-8 can encode, and this bytes is none",
        ),
        (
            lambda: runner(new_id=uuid4).run_sync(Essay(topic="x")),
            StartError,
            "run_id= takes text that UTF-8 can encode, and this UUID is none",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), messages=Message(role="user", content="")),
            StartError,
            "the messages of a run are a tuple of Message objects, not a Message:",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), messages="hello"),
            StartError,
            "the messages of a run are a tuple of Message objects, not a str:",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), messages=ANY),
            StartError,
            "the messages of a run are a tuple of Message objects, not ",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), messages=[{"role": "user", "content": None}]),
            StartError,
            "the messages of a run are a tuple of Message objects, not of a dict:",
        ),
        (
            lambda: runner().run_sync(Essay(topic="x"), messages=[Message(role="boss", content="")]),
            ValueError,
            "the role of a message is one of system, user, assistant, tool, summary, not 'boss'",
        ),
        (
            lambda: ScriptedModel({"handoff": "end"}),
            TypeError,
            "a script is a list of replies, not a dict: write ScriptedModel([...])",
        ),
        (
            lambda: ScriptedModel("end"),
            TypeError,
            "a script is a list of replies, not a str: write ScriptedModel([...])",
        ),
        (
            lambda: ask("hello"),
            TypeError,
            "ask takes a tuple of messages: ask((Message(role='user', content='...'),))",
        ),
        (
            lambda: ask(Message(role="user", content="")),
            TypeError,
            "ask takes a tuple of messages: ask((Message(role='user', content='...'),))",
        ),
        (
            lambda: ask(("hello",)),
            TypeError,
            "ask takes a tuple of messages: ask((Message(role='user', content='...'),))",
        ),
        (
            lambda: LLMAgent(5),  # type: ignore[arg-type]
            TypeError,
            "an LLMAgent is told in words what to do, not by an int: LLMAgent('Answer the question.')",
        ),
        (
            lambda: LLMAgent("Help.", does=5),  # type: ignore[arg-type]
            TypeError,
            "does= is one text, or several in a tuple, not an int",
        ),
        (
            lambda: LLMAgent("Help.", must_not=("guess", None)),  # type: ignore[arg-type]
            TypeError,
            "must_not= is one text, or several in a tuple, not None",
        ),
        (
            lambda: LLMAgent("Help.", calls="3"),  # type: ignore[arg-type]
            TypeError,
            "calls= is a whole number, not a str",
        ),
        (
            lambda: LLMAgent("Help.", max_output_tokens=2.5),  # type: ignore[arg-type]
            TypeError,
            "max_output_tokens= is a whole number, not a float",
        ),
        (
            lambda: LLMAgent("Help.", tools=str.upper, asks=True),
            TypeError,
            "asks= is a whole number, not a bool",
        ),
        (
            lambda: LLMAgent("Help.", window=3),  # type: ignore[arg-type]
            TypeError,
            "window= takes Window(messages=10), not an int",
        ),
        (
            lambda: ScriptedModel(len),
            TypeError,
            "a script is a list of replies, not the function len: write ScriptedModel([...])",
        ),
    ],
)
def test_a_wrong_use_says_what_is_expected(use: Callable[[], object], error: type[Exception], said: str) -> None:
    """It is refused where it is written, with what is expected and what to do."""
    with pytest.raises(error, match=f"^{re.escape(said)}"):
        use()


async def test_a_journal_that_was_not_awaited_is_told() -> None:
    """A store loads asynchronously, so its answer is awaited before it is replayed."""
    loading = MemoryStore().load("r")

    with pytest.raises(TypeError, match=r"not what is still to be awaited: give await store.load\(run_id\)$"):
        runner().replay(loading)
    assert () == await loading


async def test_a_result_that_is_asked_for_once_its_run_was_given_up() -> None:
    """Leaving the block has landed the run, so there is no result: not a cancellation of whoever asks for it."""
    async with runner().stream(Essay(topic="x")) as left:
        pass
    async with runner().stream(Essay(topic="x")) as read:
        ended = await read.result()

    with pytest.raises(RuntimeError, match=r"was left before .* await stream.result\(\) inside of it$"):
        await left.result()
    assert ended is await read.result()
