"""Runs in the words of OpenAI: what was sent is the answer, or the stream ends with an error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from support.asking import Claim, Refunds
from support.chatting import ROUTED, Talk, Talks, Telling, followed, numbered, said
from support.speaking import Speaking

from fsm_orch import CallFailed, Runner, RunResult
from fsm_orch.run.following import Followed
from fsm_orch.service.chat import answer_of
from fsm_orch.service.chat_chunks import DONE, Chunks, Completion
from fsm_orch.service.problems import Problem, problem_of
from fsm_orch.testing import Tape, runs, tapes, virtual_time
from machines.shop import ShopFloor


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    """An event loop on virtual time, shared by all examples."""
    with virtual_time() as runner:
        yield runner


def completion(result: RunResult[Any], field: str = "answer") -> Completion:
    return Completion(run_id=result.run_id, model="Talks", created=7, field=field)


def sent(
    events: Sequence[Followed], result: RunResult[Any], *, field: str = "answer", has_usage: bool = True
) -> list[bytes]:
    """Give what a client is sent."""
    chunks = Chunks(completion(result, field), has_usage=has_usage)
    told = list(chunks.begun())
    try:
        for event in events:
            told += chunks.heard(event)
        told += chunks.ended(result)
    except Problem as error:
        told += chunks.failed(problem_of(error))
    return told


def read(frames: Sequence[bytes]) -> tuple[list[ChatCompletionChunk], dict[str, Any] | None]:
    """Give the chunks of a stream, by the SDK's own type, and the error that it ends with."""
    *told, last = [json.loads(frame.removeprefix(b"data: ")) for frame in frames if frame != DONE]
    assert all(frame.startswith(b"data: ") and frame.endswith(b"\n\n") and frame.count(b"\n") == 2 for frame in frames)
    assert ("error" in last) == (DONE not in frames)
    assert DONE not in frames[:-1]
    error = last.get("error")
    return [ChatCompletionChunk.model_validate(each) for each in (told if error else [*told, last])], error


def text_of(chunks: Sequence[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def check(events: Sequence[Followed], result: RunResult[Any]) -> str | None:
    """Check a stream against the run that it is of; give the code of the error that it ends with."""
    chunks, error = read(sent(events, result))
    if error is not None:
        assert all(choice.finish_reason is None for chunk in chunks for choice in chunk.choices)
        return str(error["code"])
    *_, last, usage = chunks
    assert text_of(chunks) == (answer_of(result, "answer") or "")
    assert ["assistant"] == [choice.delta.role for chunk in chunks for choice in chunk.choices if choice.delta.role]
    assert ["stop"] == [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert "stop" == last.choices[0].finish_reason
    assert result.run_id == last.model_extra["fsm"]["run_id"]  # type: ignore[index]
    assert [] == usage.choices
    assert result.usage.total_tokens == usage.usage.total_tokens  # type: ignore[union-attr]
    assert 1 == len({(chunk.id, chunk.created, chunk.model) for chunk in chunks})
    return None


@settings(max_examples=200)
@given(tapes())
def test_what_was_sent_is_the_answer(loop: asyncio.Runner, tape: Tape) -> None:
    """Whatever a model does, a stream that ends well has told the answer; else a piece of it had been taken back."""
    events, result = loop.run(followed(Telling(tape)))

    assert check(events, result) in (None, "answer_withdrawn")


def test_streams_end_both_ways(loop: asyncio.Runner) -> None:
    """Among some runs are such as are told in pieces and end well, and such as end with an error."""
    ends = []
    for seed in range(150):
        events, result = loop.run(followed(Telling(Tape(bytes((seed * n * n + n) % 251 for n in range(1, 120))))))
        pieces = sum(1 for frame in sent(events, result) if b'"content":"' in frame and b'"content":""' not in frame)
        ends.append((check(events, result), pieces > 1))

    assert {(None, True), (None, False), ("answer_withdrawn", True)} <= set(ends)


@settings(max_examples=50)
@given(runs(ShopFloor))
def test_runs_without_pieces(result: RunResult[Any]) -> None:
    """A run that is followed by its records alone is told at its end, whole."""

    assert check(numbered(result.records), result) is None
    whole = ChatCompletion.model_validate(completion(result).whole(result))
    assert answer_of(result, "answer") == whole.choices[0].message.content


async def test_a_text_that_is_taken_back_ends_the_stream() -> None:
    """With an error that names the run, and neither the better text nor the default answer follows."""
    lost = CallFailed("disconnected", unsent=False, transient=True)
    events, result = await followed(Speaking([ROUTED, said("We open"), said("It is open")], fails={2: lost}))
    chunks, error = read(sent(events, result))

    assert "It is open" == result.context.answer
    assert '{"handoff"' not in text_of(chunks)
    assert "We open".startswith(text_of(chunks))
    assert error is not None
    assert ("answer_withdrawn", "server_error", result.run_id) == (error["code"], error["type"], error["run_id"])


async def test_a_run_that_was_landed_has_the_default_answer() -> None:
    """It is an answer like any other, and `fsm` says why."""
    _, result = await followed(Speaking([{"handoff": "give_up", "sure": False}]))
    (_, landed), other = await followed(Speaking(["no JSON", "no JSON"])), result
    whole = completion(landed).whole(landed)

    assert "Somebody will get back to you." == whole["choices"][0]["message"]["content"]
    assert ("human", "refusal") == (whole["fsm"]["state"], whole["fsm"]["landing"])
    assert None is completion(other).whole(other)["fsm"]["landing"]
    assert [{"source": "triage", "handoff": "give_up", "target": "human"}] == completion(other).whole(other)["fsm"][
        "path"
    ]


async def test_a_run_that_waits_is_no_answer() -> None:
    """It is an error that names the run, streamed or not."""
    result = await Runner(Refunds).run(Claim(query="q"))
    _, error = read(sent(numbered(result.records), result, field="receipt"))

    assert error is not None
    assert ("run_waits", "invalid_request_error", result.run_id) == (error["code"], error["type"], error["run_id"])
    with pytest.raises(Problem, match="There is no answer yet"):
        completion(result, "receipt").whole(result)


async def test_usage_is_sent_if_it_is_asked_for() -> None:
    """Then chunks before it say that they have none, as OpenAI's do; else no chunk speaks of it."""
    events, result = await followed(Speaking([ROUTED, said("yes")]))
    silent = [json.loads(frame[6:]) for frame in sent(events, result, has_usage=False) if frame != DONE]
    told = [json.loads(frame[6:]) for frame in sent(events, result) if frame != DONE]

    assert not any("usage" in each for each in silent)
    assert [None] * (len(told) - 1) == [each["usage"] for each in told[:-1]]


async def test_text_of_another_field_is_not_told() -> None:
    """Where the field that streams is not the answer, the answer is told at the end."""
    events, result = await followed(Speaking([ROUTED, said("yes")]))
    chunks, _ = read(sent(events, result, field="secret"))

    assert Talk(text="").secret == text_of(chunks)
    assert Talks.done is result.state


async def test_what_is_no_text_is_told_as_json() -> None:
    """And None as no content."""
    _, result = await followed(Speaking([ROUTED, said("yes")]))

    assert "true" == answer_of(result, "sure")
    refused = await Runner(Refunds).run(Claim(query="q"))
    assert None is answer_of(refused, "receipt")
