"""A run in the words of OpenAI's chat completions: whole, or in chunks while it is under way.

A chunk that was sent cannot be taken back. So a text that turns out not to stand ends the stream with an error, and no
other answer is told after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException
from pydantic_core import to_json

from ..run.following import Followed
from ..run.result import RunResult
from .chat import AnswerText, answer_of, standing_of
from .chat_errors import error_of
from .events import one_line
from .problems import Problem

DONE = b"data: [DONE]\n\n"
"""The last words of a stream that has come to its end."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """What all answers to one request have in common."""

    run_id: str
    model: str
    """The name of the machine."""
    created: int
    """Seconds of the epoch."""
    field: str
    """Of the context, which holds the answer."""

    def whole(self, result: RunResult[Any]) -> dict[str, Any]:
        """Return the answer to a request that is not streamed.

        Raises Problem: if the run waits for a human.
        """
        message = {"role": "assistant", "content": self.answer(result), "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return self.part("chat.completion", choices=[choice], usage=_usage(result), fsm=standing_of(result))

    def answer(self, result: RunResult[Any]) -> str | None:
        """Return the text of an answer; None if the machine has given none.

        Raises Problem: if the run waits for a human, or goes on elsewhere.
        """
        if result.status == "running":
            raise Problem("draining", headers={"Retry-After": "1"}, run_id=result.run_id)
        if result.status == "waiting":
            raise Problem("run_waits", run_id=result.run_id)
        return answer_of(result, self.field)

    def part(self, kind: str, **more: Any) -> dict[str, Any]:
        """Return an object of OpenAI's."""
        told = {"id": f"chatcmpl-{self.run_id}", "object": kind, "created": self.created, "model": self.model}
        return told | more


class Chunks:
    """The chunks of one stream.

    Args:
        completion: what it is of.
        has_usage: whether it ends with what providers reported.
    """

    def __init__(self, completion: Completion, *, has_usage: bool) -> None:
        self._completion, self._has_usage = completion, has_usage
        self._text = AnswerText(completion.field)

    def begun(self) -> Iterator[bytes]:
        """Yield what is sent at once."""
        yield self._chunk({"role": "assistant", "content": ""})

    def heard(self, event: Followed) -> Iterator[bytes]:
        """Yield what is sent of an event.

        Raises Problem: if it takes back what was sent.
        """
        added = self._text.heard(event)
        if added is None:
            raise Problem("answer_withdrawn", run_id=self._completion.run_id)
        if added:
            yield self._chunk({"content": added})

    def ended(self, result: RunResult[Any]) -> Iterator[bytes]:
        """Yield what is sent once the run has ended.

        Raises Problem: if it waits for a human, or its answer is not what was sent.
        """
        rest = self._text.rest(self._completion.answer(result) or "")
        if rest is None:
            raise Problem("answer_withdrawn", run_id=self._completion.run_id)
        if rest:
            yield self._chunk({"content": rest})
        yield self._chunk({}, "stop", fsm=standing_of(result))
        if self._has_usage:
            yield self._data([], usage=_usage(result))
        yield DONE

    def failed(self, error: HTTPException) -> Iterator[bytes]:
        """Yield what is sent instead of an end."""
        yield data({"error": error_of(error)})

    def _chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return self._data([choice], **({"usage": None} if self._has_usage else {}), **more)

    def _data(self, choices: list[Any], **more: Any) -> bytes:
        return data(self._completion.part("chat.completion.chunk", choices=choices, **more))


def data(told: Any) -> bytes:
    """Return JSON as it is sent in a stream."""
    return b"data: %s\n\n" % one_line(to_json(told))


def _usage(result: RunResult[Any]) -> dict[str, Any]:
    used = result.usage
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {"cached_tokens": used.cached_input_tokens},
    }
