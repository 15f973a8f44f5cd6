"""Server-sent events: the records of a run as a stream that a client can leave and come back to.

They are written here, in ten lines. sse-starlette ends its streams by a patch of uvicorn's handler of signals, and
FastAPI's own beats by a private constant; here a runner that is drained ends them, and the beat is an argument.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import msgspec
from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from msgspec.structs import replace

from ..kernel.codec import to_json
from ..kernel.records import HandedOff, Record
from ..run.delta import TextDelta
from ..run.following import Numbered
from ..run.result import RunResult
from .problems import problem_json
from .views import Views

T = TypeVar("T")

BEAT = b": beat\n\n"
"""A comment, which clients ignore: it keeps proxies from closing a stream in which nothing happens."""

RETRY = b"retry: 1000\n\n"
"""After how many milliseconds a client comes back whose stream broke off."""


_LINE_ENDS = {each.encode(): b"\\u%04x" % ord(each) for each in "\x85\u2028\u2029"}


def one_line(data: bytes) -> bytes:
    """Return JSON without the line ends of Unicode.

    They end no event, but clients that split what they read as text, as Python does, would be told of events that a
    text has made up.
    """
    for end, escaped in _LINE_ENDS.items():
        data = data.replace(end, escaped)
    return data


def frame(event: str, data: bytes, number: int | None = None) -> bytes:
    """Return an event as it is sent.

    Args:
        data: JSON.
        number: what a client gives as Last-Event-ID when it comes back; None: this one is not given again.
    """
    numbered = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (numbered, event.encode(), one_line(data))


def json_of(record: Record, *, texts: bool) -> bytes:
    """Return a record as JSON.

    Args:
        texts: with its `detail`, which may quote what a model said, and names lines of code.
    """
    if not texts and "detail" in record.__struct_fields__:
        record = replace(record, detail="")
    return to_json(record)


class Frames:
    """A run as it is told by its records, the text of its answer, and what it came to.

    Args:
        texts: whether records are told in words too.
    """

    def __init__(self, views: Views, *, texts: bool) -> None:
        self._views, self._texts = views, texts
        self._told: TextDelta | None = None
        """The last piece of text that no record has confirmed or taken back."""

    def begun(self) -> Iterator[bytes]:
        """Yield what is sent at once."""
        yield RETRY

    def heard(self, event: Numbered | TextDelta) -> Iterator[bytes]:
        """Yield what is sent of what happens; before a record that takes text back, that it does."""
        if isinstance(event, TextDelta):
            self._told = event
            yield frame("text", msgspec.json.encode(event))
            return
        record = event.record
        if self._told is not None and self._told.is_withdrawn_by(record):
            yield frame("withdrawn", msgspec.json.encode({"field": self._told.field}))
            self._told = None
        elif isinstance(record, HandedOff) and not record.stamp.path:
            self._told = None
        yield frame(record.kind, json_of(record, texts=self._texts), event.number)

    def ended(self, result: RunResult[Any]) -> Iterator[bytes]:
        """Yield where a run stands. It has no number: who comes back is given it again."""
        if result.status != "running":
            yield frame("result", self._views.json(result))

    def failed(self, error: HTTPException) -> Iterator[bytes]:
        """Yield a problem."""
        yield frame("error", problem_json(error))


async def with_beats(events: AsyncIterator[T], every_s: float) -> AsyncGenerator[T | None]:
    """Yield what comes, and None whenever nothing has for a while."""
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(_next(events))
            await asyncio.wait({coming}, timeout=every_s)
            if not coming.done():
                yield None
                continue
            try:
                event = coming.result()
            except StopAsyncIteration:
                return
            coming = None
            yield event
    finally:
        if coming is not None and coming.cancel():
            await asyncio.wait({coming})  # it is closed by who made it, which it may not be at work for


async def _next(events: AsyncIterator[T]) -> T:
    return await anext(events)


class EventStream(StreamingResponse):
    """An answer of server-sent events.

    Args:
        source: what is sent.
        ending: is closed when the client has got all, or is gone, be it before anything was sent.
    """

    def __init__(self, source: AsyncIterator[bytes], ending: AsyncExitStack, headers: Mapping[str, str]) -> None:
        self._ending = ending
        # no proxy may keep or hold back what is sent
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **headers}
        super().__init__(source, headers=headers, media_type="text/event-stream")

    async def __call__(self, *asgi: Any) -> None:
        async with self._ending:
            await super().__call__(*asgi)
