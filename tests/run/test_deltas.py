"""Text deltas: the answer of a run, told while it is written, once nothing but a cut can still refuse it."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, ConfigDict, Field, field_serializer, field_validator, model_validator
from support.patience import PATIENCE_S
from support.pieces import by_chance
from support.speaking import Speaking

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Nested,
    Runner,
    ScriptedModel,
    State,
    TextDelta,
    guard,
)
from fsm_orch.kernel import records
from fsm_orch.kernel.inputs import CallReserved
from fsm_orch.kernel.records import Record
from fsm_orch.run.result import RunResult


class Ticket(Context):
    """A question."""

    query: str = "why?"
    sure: bool = False
    note: str = ""
    answer: str | None = None


@guard
def is_sure(ticket: Ticket) -> bool:
    return ticket.sure


@guard
def is_answered(ticket: Ticket) -> bool:
    return ticket.answer is not None


@guard
def is_sure_or_answered(ticket: Ticket) -> bool:
    return ticket.sure or ticket.answer is not None


class Desk(Machine[Ticket]):
    """Route a question, and answer it."""

    triage = State(LLMAgent("Route.", writes=Ticket.note), initial=True)
    reply = State(
        LLMAgent("Answer.", writes=(Ticket.sure, Ticket.answer), calls=3, max_output_tokens=800), max_visits=2
    )
    done = Final()
    checked = Final()
    other = Final(sets={Ticket.answer: "Ask a colleague."})
    human = Final(fallback=True)

    go = triage.to(reply, "a question")
    give_up = triage.to(human, "nonsense")
    finish = reply.to(done, "it is answered")
    surely = reply.to(checked, "it is sure", guard=is_sure)
    aside = reply.to(other, "a colleague knows")
    back = reply.to(triage, "it is no question")
    limits = Limits(hops=6, tokens=30_000)


ROUTED = {"handoff": "go", "note": "a long note of the routing agent"}


async def streamed(
    machine: type[Machine[Any]], model: Any, context: Context, **options: Any
) -> tuple[list[Record | TextDelta], RunResult[Any]]:
    """Give what a reader is given of a run, and its result."""
    async with Runner(machine, model=model, **options).stream(context) as stream:
        return [event async for event in stream], await stream.result()


def texts(events: list[Record | TextDelta]) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


def standing(events: list[Record | TextDelta]) -> list[TextDelta]:
    """Give the deltas that no record takes back."""
    kept: list[TextDelta] = []
    for event in events:
        if isinstance(event, TextDelta):
            kept.append(event)
        elif kept and kept[-1].is_withdrawn_by(event):
            kept.clear()
    return kept


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    seed=st.integers(),
    ascii_only=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
async def test_the_deltas_are_the_answer(text: str, seed: int, ascii_only: bool, indent: int | None) -> None:
    """Whatever is answered, however its JSON is written and cut, the deltas together are the field as committed."""
    said = json.dumps({"handoff": "finish", "sure": True, "answer": text[:40]}, ensure_ascii=ascii_only, indent=indent)
    model = Speaking([ROUTED, said], pieces=by_chance(seed, cuts=20))
    events, result = await streamed(Desk, model, Ticket())

    assert result.state is Desk.done
    assert text[:40] == result.context.answer == "".join(texts(events))
    assert all(texts(events))


async def test_a_delta_says_where_it_belongs() -> None:
    """It names its machine, visit, attempt and field; it comes before the handoff that commits it, and after a call."""
    model = Speaking([ROUTED, {"handoff": "finish", "sure": True, "answer": "abc"}])
    events, _ = await streamed(Desk, model, Ticket())

    delta = [event for event in events if isinstance(event, TextDelta)]
    assert ["a", "b", "c"] == [each.text for each in delta]
    assert {((), 1, 1, "answer")} == {(each.path, each.hops, each.attempt, each.field) for each in delta}
    kinds = [getattr(event, "kind", "delta") for event in events]
    assert ["call_reserved", "delta", "delta", "delta", "call_settled", "handed_off"] == kinds[-7:-1]


async def test_nothing_of_a_routing_agent() -> None:
    """What is written on the way to another state is not told, though the agent may also end the run."""
    lines = [ROUTED, {"handoff": "back", "sure": True, "answer": "secret"}, ROUTED]
    model = Speaking([*lines, {"handoff": "finish", "sure": True, "answer": "open"}])
    events, result = await streamed(Desk, model, Ticket())

    assert "open" == "".join(texts(events)) == result.context.answer


SILENT: dict[str, dict[str, Any]] = {
    "a final state overwrites it": {"handoff": "aside", "sure": True, "answer": "x"},
    "its guard does not hold": {"handoff": "surely", "sure": False, "answer": "x"},
    "its handoff is unknown": {"handoff": "nowhere", "sure": True, "answer": "x"},
    "nothing fits": {"handoff": "none_of_these", "sure": True, "answer": "x"},
    "another field is missing": {"handoff": "finish", "answer": "x"},
    "another field comes later": {"handoff": "finish", "answer": "x", "sure": True},
    "the handoff comes later": {"sure": True, "answer": "x", "handoff": "finish"},
    "another field does not fit": {"handoff": "finish", "sure": "perhaps", "answer": "x"},
    "a field is unknown": {"handoff": "finish", "more": 1, "sure": True, "answer": "x"},
    "it is no text": {"handoff": "finish", "sure": True, "answer": None},
}


@pytest.mark.parametrize("why", SILENT)
async def test_what_can_be_refused_is_not_told(why: str) -> None:
    """Nothing is told of a reply that is refused, or changed, for what stands before its text or may come after."""
    model = Speaking([ROUTED, *[SILENT[why]] * 3])
    events, _ = await streamed(Desk, model, Ticket())

    assert [] == texts(events)


async def test_a_key_that_came_twice() -> None:
    """A key that stands twice before the text is refused, and nothing of its text is told."""
    said = '{"handoff": "back", "handoff": "finish", "sure": true, "answer": "x"}'
    events, result = await streamed(Desk, Speaking([ROUTED, *[said] * 3]), Ticket())

    assert [] == texts(events)
    assert "duplicate_key" in {event.reason for event in events if isinstance(event, records.Refused)}
    assert result.landing is not None


async def test_a_guard_of_what_is_written_already() -> None:
    """A guard that reads only what stands before the text is known by then."""
    model = Speaking([ROUTED, {"handoff": "surely", "sure": True, "answer": "yes"}])
    events, result = await streamed(Desk, model, Ticket())

    assert result.state is Desk.checked
    assert "yes" == "".join(texts(events))


@pytest.mark.parametrize(
    ("asked", "told"),
    [(is_answered, ""), (is_sure_or_answered, "yes"), (is_sure & is_answered, ""), (~is_answered | is_sure, "")],
)
async def test_a_guard_of_what_is_being_written(asked: Any, told: str) -> None:
    """A guard that reads the text can still refuse it, unless it has answered before it comes to it."""

    class Guarded(Machine[Ticket]):
        """Answer, if a guard lets it."""

        reply = State(LLMAgent("Answer.", writes=(Ticket.sure, Ticket.answer)), initial=True)
        done, human = Final(), Final(fallback=True)
        finish = reply.to(done, guard=asked)

    events, result = await streamed(Guarded, Speaking([{"sure": True, "answer": "yes"}]), Ticket())

    assert result.state is Guarded.done
    assert told == "".join(texts(events))


class Plain(Context):
    query: str = ""
    answer: str = ""


class OrNone(Context):
    query: str = ""
    answer: Annotated[str | None, Field(description="What is said.")] = None


class Short(Context):
    query: str = ""
    answer: Annotated[str, Field(max_length=100)] = ""


class Stripped(Context):
    query: str = ""
    answer: Annotated[str, AfterValidator(str.strip)] = ""


class Checked(Context):
    query: str = ""
    answer: str = ""

    @field_validator("answer")
    def is_polite(cls, answer: str) -> str:  # noqa: N805
        return answer


class Whole(Context):
    query: str = ""
    answer: str = ""

    @model_validator(mode="after")
    def is_consistent(self) -> Whole:
        return self


class Lower(Context):
    model_config = ConfigDict(str_to_lower=True)
    query: str = ""
    answer: str = ""


class Written(Context):
    query: str = ""
    answer: str = ""

    @field_serializer("answer")
    def as_it_is(self, answer: str) -> str:
        return answer


class Hooked(Context):
    query: str = ""
    answer: str = ""

    def model_post_init(self, context: Any, /) -> None:
        """Do nothing."""


class Either(Context):
    query: str = ""
    answer: str | int = ""


@pytest.mark.parametrize(
    ("context", "is_told"),
    [(Plain, True), (OrNone, True)]
    + [(each, False) for each in (Short, Stripped, Checked, Whole, Lower, Written, Hooked, Either)],
)
async def test_a_text_that_a_field_can_refuse_or_change(context: type[Any], is_told: bool) -> None:
    """Only a text that nothing checks or changes is told; any other comes with the commit, and is not asked for."""

    class Answering(Machine[context]):  # type: ignore[valid-type]
        """Answer."""

        reply = State(LLMAgent("Answer.", writes=context.answer), initial=True)
        done, human = Final(), Final(fallback=True)
        finish = reply.to(done)

    model = Speaking([{"answer": "yes, dear"}])
    events, result = await streamed(Answering, model, context())

    assert "yes, dear" == result.context.answer
    assert ("yes, dear" if is_told else "") == "".join(texts(events))
    assert [is_told] == model.heard


LOST = CallFailed("disconnected", unsent=False, transient=True)


async def test_a_cut_is_withdrawn() -> None:
    """A reply that is lost on the way is charged in full, and what was told of it is taken back by what follows."""
    said = {"handoff": "finish", "sure": True, "answer": "a whole answer"}
    model = Speaking([ROUTED, said, said], fails={2: LOST})
    async with asyncio.timeout(PATIENCE_S):
        events, result = await streamed(Desk, model, Ticket())

    told = "".join(texts(events))
    assert told.startswith("a whole answer"[:-1])
    assert told.endswith("a whole answer")
    assert len(told) > len("a whole answer")
    assert "a whole answer" == "".join(each.text for each in standing(events)) == result.context.answer
    settled = [event for event in events if isinstance(event, records.CallSettled)]
    reserved = [event for event in events if isinstance(event, records.CallReserved)]
    assert [False, True, False] == [event.usage is None for event in settled]
    assert settled[1].tokens == reserved[1].input_tokens + reserved[1].output_tokens


async def test_a_cut_for_good() -> None:
    """What was told of an answer that never comes is taken back, and its run lands with the default answer."""
    said = {"handoff": "finish", "sure": True, "answer": "a whole answer"}
    model = Speaking([ROUTED, said], fails={2: CallFailed("unreadable", unsent=False)})
    events, result = await streamed(Desk, model, Ticket())

    assert "a whole answer".startswith("".join(texts(events)))
    assert [] == standing(events)
    assert result.landing is not None
    assert result.context.answer is None


async def test_a_reply_that_goes_wrong_after_its_text() -> None:
    """A reply that is refused for what follows its text is taken back, and the repair is told anew."""
    said = {"handoff": "finish", "sure": True, "answer": "right"}
    model = Speaking([ROUTED, json.dumps(said).replace("right", "wrong") + "}", said])
    events, result = await streamed(Desk, model, Ticket())

    assert "wrongright" == "".join(texts(events))
    assert "right" == "".join(each.text for each in standing(events)) == result.context.answer
    assert {2} == {each.attempt for each in standing(events)}


async def test_a_model_that_streams_another_reply_than_it_gives() -> None:
    """A reply that is not the one that was streamed is none, however legal."""
    said = {"handoff": "finish", "sure": True, "answer": "right"}
    model = Speaking([ROUTED, said], gives=lambda text: text.replace("right", "wrong"))
    events, result = await streamed(Desk, model, Ticket())

    assert [] == standing(events)
    assert result.landing is not None
    assert isinstance(result.error, CallFailed)


async def test_usage_that_is_not_told() -> None:
    """A stream without usage is an answer like any other, charged its whole reservation."""

    class Untold(Speaking):
        async def complete(self, request: Any, on_text: Any = None) -> Any:
            response = await super().complete(request, on_text)
            return type(response)(text=response.text, usage=None)

    said = {"handoff": "finish", "sure": True, "answer": "right"}
    events, result = await streamed(Desk, Untold([ROUTED, said]), Ticket())

    assert "right" == "".join(texts(events)) == result.context.answer
    reserved = [event for event in result.journal if isinstance(event, CallReserved)]
    assert result.charged_tokens == sum(event.input_tokens + event.output_tokens for event in reserved)


async def test_a_delta_is_no_record() -> None:
    """A run that is streamed has the journal, records and observers' records of one that is not."""
    said = {"handoff": "finish", "sure": True, "answer": "right"}
    told: list[Any] = []

    def script() -> Speaking:
        return Speaking([ROUTED, said])

    fixed: dict[str, Any] = {"clock": lambda: 0.0, "new_id": lambda: "r"}
    events, result = await streamed(Desk, script(), Ticket(), observers=[told.append], **fixed)
    plain = await Runner(Desk, model=script(), **fixed).run(Ticket())

    assert result.journal == plain.journal
    assert result.records == plain.records == tuple(told)
    assert tuple(told) == tuple(event for event in events if not isinstance(event, TextDelta))
    assert any(isinstance(event, TextDelta) for event in events)


async def test_nobody_listens_unless_somebody_does() -> None:
    """A plain run, and a stream of records alone, ask no model to stream."""
    said = {"handoff": "finish", "sure": True, "answer": "right"}
    plain, silent, heard = (Speaking([ROUTED, said]) for _ in range(3))
    await Runner(Desk, model=plain).run(Ticket())
    async with Runner(Desk, model=silent).stream(Ticket(), text=False) as stream:
        events = [event async for event in stream]
    await streamed(Desk, heard, Ticket())

    assert [] == texts(events)
    assert ([False, False], [False, False], [True, True]) == (plain.heard, silent.heard, heard.heard)


async def test_a_model_that_does_not_stream() -> None:
    """A model whose `complete` takes a request alone is read as ever: its answer comes with the commit."""
    said = {"handoff": "finish", "sure": True, "answer": "right"}
    events, result = await streamed(Desk, ScriptedModel([ROUTED, said]), Ticket())

    assert [] == texts(events)
    assert "right" == result.context.answer


async def test_leaving_in_the_middle_of_an_answer() -> None:
    """A reader who leaves while the answer is written lands the run; the call is charged in full, nothing is held."""
    said = {"handoff": "finish", "sure": True, "answer": "a long answer"}
    model = Speaking([ROUTED, said])
    told: list[Any] = []
    async with Runner(Desk, model=model, observers=[told.append]).stream(Ticket()) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break

    landed = [record for record in told if isinstance(record, records.Landed)]
    reserved = [record for record in told if isinstance(record, records.CallReserved)]
    settled = [record for record in told if isinstance(record, records.CallSettled)]
    assert ["cancelled"] == [record.reason for record in landed]
    assert settled[-1].usage is None
    assert settled[-1].tokens == reserved[-1].input_tokens + reserved[-1].output_tokens
    assert 0 == told[-1].stamp.reserved


class Inner(Machine[Ticket]):
    """Answer inside another."""

    reply = State(LLMAgent("Answer.", writes=Ticket.answer), initial=True)
    done, human = Final(), Final(fallback=True)
    finish = reply.to(done)


class Outer(Machine[Ticket]):
    """Have another answer, and answer."""

    ask = State(Nested(Inner, writes=Ticket.answer), initial=True)
    tell = State(LLMAgent("Sum up.", reads=Ticket.answer, writes=Ticket.note))
    done, human = Final(), Final(fallback=True)
    got = ask.to(tell)
    lost = ask.on_failure(human)
    finish = tell.to(done)
    limits = Limits(hops=6, tokens=30_000)


async def test_an_end_of_a_part_is_not_the_end_of_the_run() -> None:
    """What a machine inside a run answers is not told: its end is not the run's."""
    model = Speaking([{"answer": "inside"}, {"note": "outside"}])
    events, result = await streamed(Outer, model, Ticket())

    assert result.state is Outer.done
    assert ["note"] * 7 == [event.field for event in events if isinstance(event, TextDelta)]
    assert "outside" == "".join(texts(events))
    assert [False, True] == model.heard
