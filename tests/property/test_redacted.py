"""Redaction holds on any machine: no secret in any stored byte, the same place after a fold, and nothing read of it."""

from __future__ import annotations

import itertools
import tempfile
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from pydantic import field_validator
from support.databases import bytes_in
from support.lanes import in_both_lanes

from fsm_orch import (
    Context,
    Final,
    Given,
    HumanAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Message,
    Nested,
    Reply,
    Runner,
    State,
    Visit,
    guard,
)
from fsm_orch.errors import StartError
from fsm_orch.kernel.step import fold
from fsm_orch.observe import Prompted, Recorder
from fsm_orch.resilience.retry import Retry
from fsm_orch.run.head import head_of
from fsm_orch.store.sql import SqlStore
from fsm_orch.testing import AdversarialModel, Tape, tapes, virtual_time

SECRET = "mildred-was-here"
REDACTED = "[redacted]"
SEEN = list[str]()
"""What agents were shown, as text."""


class Facts(Context):
    """Two fields that are redacted, two that guards read, and one that takes no secret."""

    email: str
    note: Given[str | None] = None
    ready: Given[bool] = False
    count: Given[int] = 0
    code: Given[str] = "ok"
    said: str | None = None

    @field_validator("code")
    @classmethod
    def is_no_secret(cls, code: str) -> str:
        """Say what was written, as validators do: the model that wrote it is told."""
        if code == SECRET:
            raise ValueError(f"{code} is no code")
        return code


@guard
def is_ready(facts: Facts) -> bool:
    return facts.ready


@guard
def is_small(facts: Facts) -> bool:
    return facts.count < 2


GUARDS = (None, None, is_ready, ~is_ready, is_small, is_ready | is_small)
FIELDS = (Facts.email, Facts.note, Facts.ready, Facts.count, Facts.code)
SECRETS = (Facts.email, Facts.note)


def fickle(visit: Visit[Facts, Tape]) -> Any:
    """Note what is to be seen; write what the tape decides, with secrets wherever an agent can put them."""
    tape, spec = visit.deps, visit.state.spec
    SEEN.append(repr([getattr(visit.context, name) for name in spec.read_names]) + repr(visit.messages))
    drawn: dict[Any, Any] = {Facts.email: SECRET, Facts.note: tape.pick([SECRET, None]), Facts.ready: tape.chance(2)}
    drawn |= {Facts.count: tape.below(4), Facts.code: tape.pick(["ok", "ok", SECRET])}
    changes = {ref: drawn[ref] for ref in spec.writes}
    said = (Message(role="assistant", content=SECRET),) if tape.chance(4) else ()
    match tape.below(12):
        case 8:
            raise ValueError(SECRET)
        case 9:
            return Reply(SECRET, changes, said)
        case 10:
            return Reply(changes={**{ref.name: value for ref, value in changes.items()}, SECRET: SECRET})  # type: ignore[dict-item]
        case 11:
            return {**changes, Facts.email: 17}
        case _:
            return Reply(None, changes, said)


def look_up(of: str) -> str:
    """Return what is known of somebody."""
    return f"{SECRET} of {of}"


class Inner(Context):
    """Of a part."""

    count: Given[int] = 0
    said: str | None = None


def inside(visit: Visit[Inner, Any]) -> Any:
    return Reply(None, {Inner.said: "in"}, (Message(role="assistant", content="from inside"),))


class Part(Machine[Inner]):
    """A part."""

    work = State(inside, writes=Inner.said, initial=True)
    done = Final()
    lost = Final(fallback=True)
    end = work.to(done)


def _state(tape: Tape, index: int) -> State:
    first, visits = index == 0, 1 + tape.below(2)
    kind = tape.below(6)
    if kind == 0:
        return State(HumanAgent("Go on?", reads=Facts.count), initial=first, max_visits=visits)
    if kind == 1:
        return State(Nested(Part, writes=Facts.said), initial=first, max_visits=visits)
    reads = tuple(ref for ref in FIELDS[:2] if tape.chance(2) and (ref is Facts.email or first is False))
    writes = tuple(ref for ref in FIELDS if tape.chance(3))
    if kind <= 3:
        tools = (look_up,) if kind == 3 else ()
        agent = LLMAgent(f"Agent {index}.", reads=reads, writes=writes, tools=tools, calls=4)
        return State(agent, initial=first, max_visits=visits)
    return State(fickle, reads=reads, writes=writes, initial=first, max_visits=visits)


def build(tape: Tape) -> type[Machine[Facts, Tape]]:
    """Build a machine that the tape decides."""
    states = [_state(tape, index) for index in range(1 + tape.below(4))]
    done, human = Final(), Final(fallback=True)
    names, handoffs, ends = itertools.count(), dict[str, Any](), [*states[1:], done]
    for index, state in enumerate(states):
        handoffs[f"h{next(names)}"] = state.to(ends[index], "go on")
        if tape.chance(2):
            asks = tape.pick(GUARDS)
            target = tape.pick([*states, done, human])
            if target is not ends[index] or asks is not None:
                handoffs[f"h{next(names)}"] = state.to(target, "elsewhere", guard=asks)
        if tape.chance(3):
            handoffs[f"f{index}"] = state.on_failure(tape.pick([*states, done]))
    names_ = {f"s{index}": state for index, state in enumerate(states)}
    body = {"__doc__": "A random machine.", **names_, "done": done, "human": human, **handoffs}
    body["limits"] = Limits(hops=8, tokens=200_000)
    return types.new_class("Random", (Machine[Facts, Tape],), exec_body=lambda space: space.update(body))


class Kept(NamedTuple):
    """A file in which stores keep runs."""

    folder: Path
    ids: Iterator[int]


@pytest.fixture
def kept() -> Iterator[Kept]:
    with tempfile.TemporaryDirectory() as folder:
        yield Kept(Path(folder), itertools.count())


def _model(tape: Tape, machine: Any) -> AdversarialModel:
    values: dict[str, list[Any]] = {"email": [SECRET], "note": [SECRET, None], "ready": [True, False], "count": [0, 3]}
    values |= {"code": ["ok", SECRET], "of": [SECRET]}
    return AdversarialModel(tape, machine=machine, values=values)


def _prompted(recorder: Recorder, prompt: Prompted) -> None:
    SEEN.append(repr(prompt.request))
    recorder(prompt)


def check_refusal(error: StartError) -> None:
    """Check that a run was not resumed for what was redacted, and for nothing else."""
    assert "was redacted" in str(error)


async def _answered(runner: Any, result: Any, tape: Tape) -> Any:
    """Answer what a run waits for, until it has ended or cannot go on."""
    for _ in range(9):
        if result.status != "waiting":
            break
        named = result.waiting[0].form.get("properties", {}).get("handoff", {}).get("enum", ())
        answer = {"handoff": tape.pick(named)} if named else {}
        try:
            result = await runner.resume(result.run_id, answer, deps=tape)
        except StartError as error:
            check_refusal(error)
            break
    return result


@in_both_lanes(few=40, many=150, most=600)
def test_no_secret_is_stored_and_none_that_is_gone_is_read(examples: int, kept: Kept) -> None:
    """Whatever agents, tools and models do with secrets, and wherever the process ends, neither leaks nor is missed."""

    @settings(max_examples=examples)
    @given(tapes(min_size=20, max_size=120), tapes(), tapes())
    def holds(plan: Tape, play: Tape, again: Tape) -> None:
        machine = build(plan)
        store = SqlStore(f"sqlite:///{kept.folder}/runs.db?sync=normal", lease_s=600)
        recorder = Recorder(store)
        told = partial(_prompted, recorder)
        options: Any = {"retry": Retry(jitter_s=0), "redact": SECRETS, "on_prompt": told}
        runner: Any = Runner(machine, model=_model(play, machine), store=store, **options)
        run_id = f"r{next(kept.ids)}"
        SEEN.clear()

        async def live() -> Any:
            said = (Message(role="user", content=SECRET),) if play.chance(6) else ()
            context = Facts(email=SECRET, note=play.pick([None, SECRET]), ready=play.chance(2), count=play.below(3))
            result = await runner.run(context, deps=play, run_id=run_id, messages=said)
            return await _answered(runner, result, play), await store.load(run_id)

        async def resumed(journal: Any) -> None:
            cut = 1 + again.below(min(len(journal), 200))
            crashed = MemoryStore()
            head = head_of(runner.compiled, fold(runner.compiled, journal[:cut]))
            await crashed.append(run_id, 0, journal[:cut], head, epoch=1)
            other: Any = Runner(machine, model=_model(again, machine), store=crashed, **options)
            try:
                await _answered(other, await other.resume(run_id, deps=again), again)
            except StartError as error:
                check_refusal(error)
            assert SECRET not in repr(await crashed.load(run_id))

        with virtual_time() as loop:
            _, journal = loop.run(live())
        stood = fold(runner.compiled, journal)
        assert SECRET not in repr(journal)
        SEEN.clear()
        with virtual_time() as loop:
            loop.run(resumed(journal))
        store.close()
        assert stood.run_id == run_id
        assert not [seen for seen in SEEN if REDACTED in seen]
        assert SECRET.encode() not in bytes_in(kept.folder)

    holds()
