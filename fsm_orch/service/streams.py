"""The stream of a run: what happens to it is told in the words of some protocol, with beats while nothing does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Protocol

from fastapi import HTTPException

from ..define.options import positive
from ..run.delta import TextDelta
from ..run.following import Followed, Numbered, Waits
from ..run.result import RunResult
from .driving import Driving
from .events import BEAT, EventStream, with_beats
from .hub import Hub, Live
from .problems import problem_of


class Telling(Protocol):
    """What is sent of one run, in the words of a protocol. Whatever it raises is sent, and nothing after it."""

    def begun(self) -> Iterable[bytes]:
        """Yield what is sent at once."""
        ...

    def heard(self, event: Numbered | TextDelta) -> Iterable[bytes]:
        """Yield what is sent of what happens."""
        ...

    def ended(self, result: RunResult[Any]) -> Iterable[bytes]:
        """Yield what is sent once the run has ended or waits; if this process is to end, it may be running still."""
        ...

    def failed(self, error: HTTPException) -> Iterable[bytes]:
        """Yield what is sent instead of an end."""
        ...


class Streams:
    """The streams of a service.

    Args:
        heartbeat_s: after how many seconds in which nothing happens a client is told that it is still connected.
    """

    def __init__(self, driving: Driving, hub: Hub, *, heartbeat_s: float) -> None:
        self._driving, self._hub = driving, hub
        self._heartbeat_s = positive("heartbeat_s= of a router", heartbeat_s)

    async def of(self, live: Live, telling: Telling, *, after: int, headers: Mapping[str, str]) -> EventStream:
        """Return the stream of a run that its client has set going: until it ends, or waits for humans.

        Args:
            telling: says what is sent.
            after: how many records it had before.
            headers: of the answer.
        """
        ending, events = live.take()
        return await self._stream(live.run_id, telling, ending, events, after=after, headers=headers, ends_waiting=True)

    async def joined(self, run_id: str, telling: Telling, *, after: int, ends_waiting: bool = False) -> EventStream:
        """Return the stream of a run until it ends, or this process is to.

        Args:
            telling: says what is sent.
            after: the number of the last record that the client has.
            ends_waiting: whether it ends too when the run waits for humans, if that is news.
        """
        return await self._stream(
            run_id, telling, AsyncExitStack(), None, after=after, headers={}, ends_waiting=ends_waiting
        )

    async def _stream(
        self,
        run_id: str,
        telling: Telling,
        ending: AsyncExitStack,
        events: AsyncIterator[Followed] | None,
        *,
        after: int,
        headers: Mapping[str, str],
        ends_waiting: bool,
    ) -> EventStream:
        ending.enter_context(self._hub.attending(run_id))
        if events is None:
            following = self._driving.runner.follow(run_id, after=after, text=True, is_awaited=True)
            events = await ending.enter_async_context(following)
        beating = with_beats(events, self._heartbeat_s)
        ending.push_async_callback(beating.aclose)  # before what it reads
        news = after if ends_waiting else -1
        source = self._sent(run_id, telling, beating, news=news, ends_waiting=ends_waiting)
        ending.push_async_callback(source.aclose)
        return EventStream(source, ending, headers)

    async def _sent(
        self,
        run_id: str,
        telling: Telling,
        events: AsyncIterator[Followed | None],
        *,
        news: int,
        ends_waiting: bool,
    ) -> AsyncGenerator[bytes]:
        """Yield what is sent.

        Args:
            news: that the run waits is told if it has more records than this.
        """
        try:
            for each in telling.begun():
                yield each
            async for event in events:
                if event is None:
                    yield BEAT
                elif not isinstance(event, Waits):
                    for each in telling.heard(event):
                        yield each
                elif event.number > news:
                    for each in telling.ended(await self._driving.stored(run_id)):
                        yield each
                    if ends_waiting:
                        return
            for each in telling.ended(await self._driving.stored(run_id)):
                yield each
        except (Exception, SystemExit) as error:  # the answer has begun: it can only be said in it
            for each in telling.failed(problem_of(error)):
                yield each
