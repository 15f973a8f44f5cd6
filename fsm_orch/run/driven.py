"""The runs that a runner drives now, on whatever event loops: each can be told something, and their end waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from ..errors import StartError
from ..observe.tracing import leave
from ..reported import report
from .ears import Ears
from .loop import running_loop
from .nudged import Nudged
from .writer import Run


class Place:
    """Where a run is driven; from before it is stored, or loaded, until it is let go of."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.run: Run | None = None
        """None: it is not begun, or not loaded."""
        self.lands: str | None = None
        """Why it is to land as soon as it is there; None: it is not."""

    def tell(self, what: Callable[[Run], object]) -> None:
        """Call a function with the run, on its own event loop, if it is there."""
        if self._loop is running_loop():
            self._tell(what)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell, what)

    def _tell(self, what: Callable[[Run], object]) -> None:
        try:
            if self.run is not None:
                what(self.run)
        except Exception as error:  # of a beat, which is for the other runs of the worker too
            report("a run could not be told what came for it: %s was raised", type(error).__name__)


class Driven:
    """The runs that are driven now.

    Args:
        store: keeps them; None: nothing does.
    """

    def __init__(self, store: object = None) -> None:
        self._places: dict[str, list[Place]] = {}
        self._waiting: list[Future[None]] = []
        self._is_stopped = False
        self.ears = Ears()
        """Who follows runs here."""
        self.nudged = Nudged(store, self.ears)
        """What wakes those whose runs are driven elsewhere."""
        self.is_draining = False
        """Whether nothing begins any more."""
        self._on_store = _on(store)
        self._on_store.add(self)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, run_id: str) -> bool:
        return run_id in self._places

    def at(self, run_id: str) -> Run | None:
        """Return a run that is driven here; None if it is not, or not yet."""
        return next((place.run for place in self._places.get(run_id, ()) if place.run is not None), None)

    def is_on_store(self, run_id: str) -> bool:
        """Return whether a run is driven on this store, by this runner or another of this process.

        To the store they are one worker, and it would let each of them claim what the other drives.
        """
        return any(run_id in driven for driven in tuple(self._on_store))

    @property
    def on_store(self) -> frozenset[str]:
        """The runs that are driven on this store, by this runner or another of this process."""
        return frozenset(run_id for driven in tuple(self._on_store) for run_id in tuple(driven._places))

    @contextmanager
    def under_way(self, run_id: str) -> Iterator[Place]:
        """Hold a place for a run until the block is left.

        Raises StartError: if nothing begins any more.
        """
        self.check_begins(run_id)
        place = Place()
        self._places.setdefault(run_id, []).append(place)  # several: who comes second is refused by the store
        try:
            yield place
        finally:
            places = self._places[run_id]
            places.remove(place)
            if place.run is not None:
                leave(place.run.traces)
            if not places:
                del self._places[run_id]
            self.ears.wake(run_id)
            if not self._places:
                self._tell_gone()

    def check_begins(self, run_id: str) -> None:
        """Check that a run may begin, or go on.

        Raises StartError: if nothing does any more.
        """
        if self.is_draining:
            raise StartError(
                f"run {run_id!r} does not go on here: this runner was drained, since its process is to end. "
                "Nothing has changed: begin or resume it in another process"
            )

    def drive(self, place: Place, run: Run) -> None:
        """Note which run is driven at a place."""
        place.run = run
        run.ears = partial(self.ears.of, run.now.run_id)
        self.ears.wake(run.now.run_id)
        if self.is_draining:
            run.drain()
        if self._is_stopped:
            run.stop()
        if place.lands is not None:
            run.land(place.lands)

    def tell(self, run_id: str, what: Callable[[Run], object]) -> None:
        """Call a function with a run, if it is driven here."""
        for place in tuple(self._places.get(run_id, ())):
            place.tell(what)

    def land(self, run_id: str, why: str) -> None:
        """Land a run if it is driven on this store, be it that it is not begun, or not loaded, yet."""
        for driven in tuple(self._on_store):
            for place in tuple(driven._places.get(run_id, ())):
                place.lands = place.lands or why  # the first who asks counts
            driven.tell(run_id, partial(Run.land, detail=why))

    def begin_draining(self) -> None:
        """Begin nothing any more, in no run either that another worker can go on with."""
        self.is_draining = True
        self.tell_all(Run.drain)
        self.ears.wake_all()

    async def drain(self, grace_s: float) -> None:
        """Begin nothing any more, and wait until nothing is driven.

        Args:
            grace_s: how long what is under way may take to end; then it is stopped.
        """
        self.begin_draining()
        await self._gone(grace_s)
        self._is_stopped = True
        self.tell_all(Run.stop)
        await self._gone(None)

    def tell_all(self, what: Callable[[Run], object]) -> None:
        """Call a function with every run that is driven here."""
        for run_id in tuple(self._places):
            self.tell(run_id, what)

    async def _gone(self, seconds: float | None) -> None:
        """Wait until nothing is driven, or the time is over."""
        gone = Future[None]()  # of threads: the last run may end on another event loop
        self._waiting.append(gone)
        if not self._places:
            self._tell_gone()
        await asyncio.wait({asyncio.wrap_future(gone)}, timeout=seconds)

    def _tell_gone(self) -> None:
        waiting, self._waiting = self._waiting, []
        for gone in waiting:
            if not gone.done():
                gone.set_result(None)


_STORES: WeakKeyDictionary[Any, WeakSet[Driven]] = WeakKeyDictionary()
"""The runners of this process by their store."""


def _on(store: object) -> WeakSet[Driven]:
    try:
        return WeakSet() if store is None else _STORES.setdefault(store, WeakSet())
    except TypeError:  # of a class of its author's whose objects cannot be told apart, or not be referred to
        return WeakSet()
