"""The leases of runs that are driven: the worker beats while it drives any, and lets go of one that stops unfinished.

A run that has finished needs no release, since nobody claims it any more. A store whose leases last for good, as in
memory, is not beaten.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

from ..errors import is_failure
from ..reported import report
from ..store.base import Store
from ..store.values import News
from .outlast import outlasted
from .raised import Raised, tried

OnBeat = Callable[[Sequence[News]], object]

_BEATS = 3
"""How often a worker beats while a lease lasts."""


@dataclass
class _Beating:
    """The beat on one event loop."""

    driven: int = 0
    """How many runs are driven there."""
    task: asyncio.Task[None] | None = None
    beaten_at: float | None = None
    """By the loop's time."""


class Heart:
    """The beat of a runner's store, on each event loop on which runs are driven.

    Args:
        store: None: nothing is stored, and nobody else can drive anything.
        on_beat: told what came for the runs of this worker, at every beat.
    """

    def __init__(self, store: Store | None, on_beat: OnBeat) -> None:
        self._store, self._on_beat = store, on_beat
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Beating] = WeakKeyDictionary()

    async def begin(self) -> asyncio.CancelledError | None:
        """See to it that the worker is alive. Return what its caller cancelled meanwhile.

        Raises what the store raises.
        """
        lease_s, loop = None if self._store is None else self._store.lease_s, asyncio.get_running_loop()
        if self._store is None or lease_s is None:
            return None
        here = self._loops.setdefault(loop, _Beating())
        if here.beaten_at is not None and loop.time() - here.beaten_at < lease_s / _BEATS:
            return None
        came, cancelled = await outlasted(self._store.beat)
        if isinstance(came, Raised):
            raise came.error
        here.beaten_at = loop.time()
        self._on_beat(came)
        return cancelled

    async def look(self) -> None:
        """See at once what came for the runs of this worker.

        Raises what the store raises.
        """
        if self._store is not None:
            self._on_beat(await self._store.beat())

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Beat again and again until the block is left."""
        lease_s = None if self._store is None else self._store.lease_s
        if self._store is None or lease_s is None:
            yield
            return
        here = self._loops.setdefault(asyncio.get_running_loop(), _Beating())
        here.driven += 1
        if here.task is None:
            here.task = asyncio.ensure_future(_beat(self._store, here, lease_s / _BEATS, self._on_beat))
        try:
            yield
        finally:
            here.driven -= 1
            if not here.driven and here.task is not None:
                here.task.cancel()
                here.task = None


async def _beat(store: Store, here: _Beating, every_s: float, on_beat: OnBeat) -> None:
    while True:
        await asyncio.sleep(every_s)
        came = await tried(store.beat)
        if not isinstance(came, Raised):
            here.beaten_at = asyncio.get_running_loop().time()
            on_beat(came)
        elif isinstance(came.error, asyncio.CancelledError):
            return
        else:  # the next beat may be in time; if none is, the runs are taken, and their appends are refused
            report("the store raised %s on a beat", type(came.error).__name__)


async def let_go(store: Store, run_id: str, epoch: int, *, is_open: bool, unless_news: bool = False) -> News | None:
    """Release a run that has not finished, whatever cancels. Return what keeps it.

    A store that fails is logged: the run is free once this worker has ended.

    Args:
        is_open: whether something may be under way, or done, of which nothing is stored.
        unless_news: keep it if something came for it.

    Raises asyncio.CancelledError: if the caller cancelled meanwhile.
    Raises what the store raises that is no failure, such as an interrupt.
    """
    release = partial(store.release, run_id, epoch=epoch, is_open=is_open, unless_news=unless_news)
    came, cancelled = await outlasted(release)
    if isinstance(came, Raised) and not is_failure(came.error):
        raise came.error
    if isinstance(came, Raised):
        report("run %s could not be released: the store raised %s", run_id, type(came.error).__name__)
        came = None
    if cancelled is not None:
        raise cancelled
    return came
