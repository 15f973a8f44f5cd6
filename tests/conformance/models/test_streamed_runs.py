"""A run whose answer is streamed over a real socket: what a reader is told is what is committed, or is taken back."""

from __future__ import annotations

import asyncio
import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conformance.models.adapters import ADAPTERS, STREAMING, Adapter
from hypothesis import given, settings
from hypothesis import strategies as st
from support.pieces import by_chance
from support.provider import Provider
from support.provider_faults import Fault, saying
from support.provider_streams import STREAM_FAULTS

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Retry, Runner, RunResult, State, TextDelta
from fsm_orch.kernel import records
from fsm_orch.testing import TheoremChecker
from fsm_orch.testing.cassette import cassette

streamed = pytest.mark.parametrize("adapter", STREAMING, ids=lambda adapter: adapter.name)
_QUICK = Retry(initial_s=0.01, max_s=0.02, jitter_s=0.0)


class Ticket(Context):
    """A question."""

    query: str
    note: str = ""
    answer: str | None = None


class Desk(Machine[Ticket]):
    """Route a question to who answers it."""

    triage = State(LLMAgent("Route it.", reads=Ticket.query, writes=Ticket.note, max_output_tokens=400), initial=True)
    reply = State(LLMAgent("Answer.", reads=Ticket.query, writes=Ticket.answer, max_output_tokens=400))
    done, human = Final(), Final(fallback=True)
    go = triage.to(reply, "a question")
    stop = triage.to(human, "nonsense")
    finish = reply.to(done)
    limits = Limits(hops=4, tokens=30_000)


ROUTED = saying(json.dumps({"handoff": "go", "note": "the note of a routing agent"}))


def answering(text: str, *, fault: Fault | None = None, **json_options: Any) -> Fault:
    return saying(json.dumps({"answer": text}, **json_options), fault=fault)


async def run(
    adapter: Adapter, provider: Provider, limits: Limits = Desk.definition.limits
) -> tuple[list[TextDelta], list[TextDelta], RunResult[Ticket]]:
    """Give the deltas of a run, those that stand, and its result."""
    assert adapter.build is not None
    told, standing = list[TextDelta](), list[TextDelta]()
    runner = Runner(Desk, model=adapter.build(provider.url), limits=limits, retry=_QUICK)
    async with runner.stream(Ticket(query="Where is my invoice?")) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                told.append(event)
                standing.append(event)
            elif standing and standing[-1].is_withdrawn_by(event):
                standing.clear()
        result = await stream.result()
    TheoremChecker(runner.compiled).follow_all(result.journal)
    return told, standing, result


def said(deltas: list[TextDelta]) -> str:
    return "".join(delta.text for delta in deltas)


@streamed
@settings(max_examples=10, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60),
    ascii_only=st.booleans(),
    seed=st.integers(),
    part=st.integers(1, 60),
)
def test_the_deltas_are_the_answer(adapter: Adapter, text: str, ascii_only: bool, seed: int, part: int) -> None:
    """Whatever is answered, however it is escaped and cut into events and bytes, the deltas are what is committed."""
    with Provider(pieces=by_chance(seed, cuts=6), part=part) as provider:
        provider.plan(ROUTED, answering(text, ensure_ascii=ascii_only))
        told, standing, result = asyncio.run(run(adapter, provider))

    assert result.state is Desk.done
    assert text == result.context.answer == said(told) == said(standing)
    assert {"reply"} == {record.stamp.state for record in result.records if record.stamp.hops == told[0].hops == 1}


@streamed
async def test_halves_of_a_character(adapter: Adapter) -> None:
    """A server that cuts a text into units of UTF-16, in the middle of a character, loses nothing of it."""

    def halves(raw: str) -> list[str]:
        units = raw.encode("utf-16-le")
        return [units[start : start + 2].decode("utf-16-le", "surrogatepass") for start in range(0, len(units), 2)]

    with Provider(pieces=halves) as provider:
        provider.plan(ROUTED, answering("a 👩‍👩‍👧‍👦 b 😀", ensure_ascii=False))
        told, _, result = await run(adapter, provider)

    assert "a 👩‍👩‍👧‍👦 b 😀" == result.context.answer == said(told)


LOST = ("closed in the middle", "reset in the middle", "error event")
BROKEN = ("garbage event", "event that is no object", "cut event")


ANSWER = "an answer that is cut into several pieces on its way"


@streamed
@pytest.mark.parametrize("name", [*LOST, *BROKEN])
async def test_a_cut_is_charged_and_taken_back(adapter: Adapter, name: str) -> None:
    """A stream that breaks is charged its reservation; what was told is taken back, and told anew if it is tried."""
    with Provider(part=16) as provider:
        provider.plan(ROUTED, answering(ANSWER, fault=STREAM_FAULTS[name]), answering(ANSWER))
        told, standing, result = await run(adapter, provider)

    is_tried_again = name in LOST
    settled = [record for record in result.records if isinstance(record, records.CallSettled)]
    reserved = [record for record in result.records if isinstance(record, records.CallReserved)]
    assert settled[1].usage is None
    assert settled[1].tokens == reserved[1].input_tokens + reserved[1].output_tokens
    assert (3 if is_tried_again else 2) == len(provider.completions)
    assert (ANSWER if is_tried_again else "") == said(standing)
    assert is_tried_again is (result.state is Desk.done)
    assert len(said(told)) > len(said(standing))
    assert ANSWER.startswith(said(told).removesuffix(said(standing)))


@streamed
async def test_a_stall_is_charged_and_taken_back(adapter: Adapter) -> None:
    """A stream that stalls ends with its visit, charged; what was told is taken back, and the connection closed."""
    limits = Desk.definition.limits.model_copy(update={"visit_s": 0.6})
    with Provider(part=16) as provider:
        provider.plan(ROUTED, answering(ANSWER, fault=STREAM_FAULTS["stalls"]))
        told, standing, result = await run(adapter, provider, limits)
        has_hung_up = await asyncio.to_thread(provider.completions[1].hung_up.wait, 1)

    assert has_hung_up
    assert result.landing is not None
    assert ("timeout", []) == (result.landing.reason, standing)
    assert ANSWER.startswith(said(told))
    assert 0 < len(said(told)) < len(ANSWER)
    settled = [record for record in result.records if isinstance(record, records.CallSettled)]
    assert [False, True] == [record.usage is None for record in settled]


@streamed
@pytest.mark.parametrize("usage", ["null", "missing"])
async def test_usage_that_is_never_told(adapter: Adapter, usage: Any) -> None:
    """A stream that never tells its usage is an answer, charged its whole reservation."""
    text = answering(ANSWER)
    untold = replace(text, departs=lambda said, cap: replace(text.departs(said, cap), usage=usage))
    with Provider(part=16) as provider:
        provider.plan(ROUTED, untold)
        told, _, result = await run(adapter, provider)

    settled = [record for record in result.records if isinstance(record, records.CallSettled)]
    reserved = [record for record in result.records if isinstance(record, records.CallReserved)]
    assert ANSWER == said(told) == result.context.answer
    assert [False, True] == [record.usage is None for record in settled]
    assert settled[1].tokens == reserved[1].input_tokens + reserved[1].output_tokens


# who records keeps the connection of a stream, which the garbage collector closes: here, and in no other test
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@streamed
async def test_a_cassette_replays_a_stream(adapter: Adapter, tmp_path: Path) -> None:
    """A stream that was recorded is replayed without the network, with the same answer."""
    answer, file = "an änswer 😀", tmp_path / "streamed.json"
    with Provider(part=16) as provider:
        provider.plan(ROUTED, answering(answer))
        with cassette(file, record=True):
            await run(adapter, provider)
        with cassette(file):
            told, _, result = await run(adapter, provider)

    gc.collect()
    assert answer == result.context.answer == said(told)
    assert 2 == len(provider.completions)


class Chain(Machine[Ticket]):
    """Note what is asked, and answer it."""

    note = State(
        LLMAgent("Write down in a few words what is asked.", reads=Ticket.query, writes=Ticket.note),
        initial=True,
        timeout_s=60,
    )
    reply = State(
        LLMAgent("Answer the customer's question in one short sentence.", reads=Ticket.query, writes=Ticket.answer),
        timeout_s=60,
    )
    done, human = Final(), Final(fallback=True)
    go, finish = note.to(reply), reply.to(done)
    limits = Limits(hops=4, tokens=30_000, deadline_s=300)


LOCAL = next(adapter for adapter in ADAPTERS if adapter.name == "local")


@pytest.mark.local
@pytest.mark.skipif(LOCAL.skip is not None, reason=str(LOCAL.skip))
async def test_the_real_local_model() -> None:
    """The answer of a real model comes in pieces, which are what is committed; of its first agent nothing is told."""
    told = list[TextDelta]()
    async with Runner(Chain, model="local:smollm2").stream(Ticket(query="Can I get my money back?")) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                told.append(event)
        result = await stream.result()

    assert result.state is Chain.done
    assert result.context.answer == said(told)
    assert {(1, "answer")} == {(delta.hops, delta.field) for delta in told}
    assert len(told) > 1
