"""Telling a run while it is under way, in whatever words: what happens is heard here, and said by a translation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, Protocol

from fastapi import HTTPException

from ..run.delta import TextDelta
from ..run.following import Numbered, Waits
from ..run.result import RunResult
from .events import BEAT, with_beats
from .front import Front
from .problems import problem_of


class Telling(Protocol):
    """What is sent of a run. It may raise a `Problem`, which is sent then, and nothing after it."""

    def begun(self) -> Iterable[bytes]:
        """Yield what is sent at once."""
        ...

    def heard(self, event: Numbered | TextDelta) -> Iterable[bytes]:
        """Yield what is sent of an event."""
        ...

    def ended(self, result: RunResult[Any]) -> Iterable[bytes]:
        """Yield what is sent once the run has ended or waits; it is running still if this process is to end."""
        ...

    def failed(self, error: HTTPException) -> Iterable[bytes]:
        """Yield what is sent instead of an end."""
        ...


async def told(
    front: Front, run_id: str, telling: Telling, *, after: int, heartbeat_s: float
) -> AsyncIterator[bytes]:
    """Yield what is sent of a run, until it has ended, waits for humans, or this process is to end.

    Args:
        after: the number of the last record that the client knows of.
        heartbeat_s: after how many seconds in which nothing happens a client is told that it is still connected.
    """
    try:
        with front.hub.attending(run_id):
            for each in telling.begun():
                yield each
            async with front.runner.follow(run_id, after=after, text=True) as events:
                async with aclosing(with_beats(events, heartbeat_s)) as beating:
                    async for event in beating:
                        if event is None:
                            yield BEAT
                        elif not isinstance(event, Waits):
                            for each in telling.heard(event):
                                yield each
                        elif event.number > after:
                            break
            for each in telling.ended(await front.stored(run_id)):
                yield each
    except Exception as error:  # the answer has begun: it can only be said in it
        for each in telling.failed(problem_of(error)):
            yield each
