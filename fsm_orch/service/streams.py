"""The stream of a run: its records by their numbers, the text of its answer, beats, and what it came to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

from pydantic_core import to_json

from ..run.following import Followed, Waits
from ..run.result import RunResult
from .driving import Driving
from .events import BEAT, RETRY, EventStream, Frames, frame, with_beats
from .hub import Hub, Live
from .problems import members_of, problem_of
from .views import Views


class Streams:
    """The streams of a service.

    Args:
        heartbeat_s: after how many seconds in which nothing happens a client is told that it is still connected.
        texts: whether records are told in words too.
    """

    def __init__(self, driving: Driving, hub: Hub, views: Views, *, heartbeat_s: float, texts: bool) -> None:
        self._driving, self._hub, self._views = driving, hub, views
        self._heartbeat_s, self._texts = heartbeat_s, texts

    async def of(self, live: Live, *, after: int, headers: Mapping[str, str]) -> EventStream:
        """Return the stream of a run that its client has set going: until it ends, or waits for humans.

        Args:
            after: how many records it had before.
            headers: of the answer.
        """
        ending, events = live.take()
        return await self._stream(live.run_id, ending, events, after=after, headers=headers, ends_waiting=True)

    async def joined(self, run_id: str, *, after: int) -> EventStream:
        """Return the stream of a run until it ends, or this process is to.

        Args:
            after: the number of the last record that the client has.
        """
        return await self._stream(run_id, AsyncExitStack(), None, after=after, headers={}, ends_waiting=False)

    async def _stream(
        self,
        run_id: str,
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
        source = self._sent(run_id, beating, news=news, ends_waiting=ends_waiting)
        ending.push_async_callback(source.aclose)
        return EventStream(source, ending, headers)

    async def _sent(
        self, run_id: str, events: AsyncIterator[Followed | None], *, news: int, ends_waiting: bool
    ) -> AsyncGenerator[bytes]:
        """Yield what is sent.

        Args:
            news: that the run waits is told if it has more records than this.
        """
        frames = Frames(texts=self._texts)
        try:
            yield RETRY
            async for event in events:
                if event is None:
                    yield BEAT
                elif not isinstance(event, Waits):
                    for each in frames.of(event):
                        yield each
                elif event.number > news:
                    yield self._told(await self._driving.stored(run_id))
                    if ends_waiting:
                        return
            if (result := await self._driving.stored(run_id)).status == "finished":
                yield self._told(result)
        except Exception as error:  # the answer has begun: it can only be said in it
            yield frame("error", to_json(members_of(problem_of(error))))

    def _told(self, result: RunResult[Any]) -> bytes:
        """Return where a run stands. It has no number: who comes back is given it again."""
        return frame("result", self._views.json(result))
