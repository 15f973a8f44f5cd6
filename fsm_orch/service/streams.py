"""The stream of a run: its records by their numbers, the text of its answer, beats, and what it came to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from pydantic_core import to_json

from ..run.following import Waits
from ..run.result import RunResult
from .events import BEAT, RETRY, Frames, frame, with_beats
from .front import Front
from .problems import members_of, problem_of
from .views import Views


class Streams:
    """The streams of a service.

    Args:
        heartbeat_s: after how many seconds in which nothing happens a client is told that it is still connected.
        texts: whether records are told in words too.
    """

    def __init__(self, front: Front, views: Views, *, heartbeat_s: float, texts: bool) -> None:
        self._front, self._views = front, views
        self._heartbeat_s, self._texts = heartbeat_s, texts

    async def of(self, run_id: str, *, after: int, ends_waiting: bool) -> AsyncIterator[bytes]:
        """Yield the stream of a run, until it has ended, or this process is to end.

        Args:
            after: the number of the last record that the client has.
            ends_waiting: whether it ends when the run waits for humans, if that is news.
        """
        frames = Frames(texts=self._texts)
        try:
            with self._front.hub.attending(run_id):
                yield RETRY
                async with self._front.runner.follow(run_id, after=after, text=True) as events:
                    async with aclosing(with_beats(events, self._heartbeat_s)) as beating:
                        async for event in beating:
                            if event is None:
                                yield BEAT
                            elif not isinstance(event, Waits):
                                for each in frames.of(event):
                                    yield each
                            elif event.number > after or not ends_waiting:
                                yield self._told(await self._front.stored(run_id))
                                if ends_waiting:
                                    return
                result = await self._front.stored(run_id)
                if result.status == "finished":
                    yield self._told(result)
        except Exception as error:  # the answer has begun: it can only be said in it
            yield frame("error", to_json(members_of(problem_of(error))))

    def _told(self, result: RunResult[Any]) -> bytes:
        """Return where a run stands. It has no number: who comes back is given it again."""
        return frame("result", self._views.json(result))
