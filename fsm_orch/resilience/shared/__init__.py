"""Gates and quotas that processes share, in Redis, and each process for itself while that is away."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock
from types import TracebackType
from typing import Self, TypeVar

from ...define.options import positive, whole
from ...define.wording import without_surrogates
from ..base import Why
from ..breaker import DEFAULT_COUNTS
from ..breaker import counted as counted_by
from ..pace import Pace
from .breaker import SharedBreaker
from .holdings import SharedHoldings
from .link import Link, Shared
from .pace import SharedPace
from .places import SharedPlaces

__all__ = ["SharedBreaker", "SharedGates", "SharedHoldings", "SharedPace", "SharedPlaces"]

S = TypeVar("S", bound=Shared)

_LONGEST_S = 100 * 366 * 86_400
"""The server adds seconds to its time, and refuses sums beyond its numbers."""


class SharedGates:
    """What gates share over one Redis: make one a process, and open it for as long as runs are driven.

        shared = SharedGates("redis://localhost:6379/0", namespace="shop")
        runner = Runner(Shop, gates={Shop.router: Gate(at_once=shared.places("router", 8, queue=16))})
        with shared:
            runner.run_sync(Query(text="..."))

    What is shared goes by its name: two processes that name a pace `router` keep it together. It is used in a thread of
    its own, so any number of runners, threads and event loops may use it, one after the other too. A process that was
    forked opens its own.

    No run fails, and none hangs, because Redis is away, slow or restarted. Each call of it takes `timeout_s` at most,
    and after one that failed nobody asks for a second. Meanwhile each process acts for itself: a breaker goes on from
    what was last seen of it, a pace is divided by the processes that were last seen, and so are places, rounded up.
    When Redis is back, whatever is at work has its places again. That it is away, and that it is back, is logged once,
    with its host.

    Redis does not have to be there when it is opened: then each process acts for itself until it is. But a server that
    answers, and lets nobody in, is a mistake, and raises StartError.

    Needs Redis 6.2 or newer, and the extra `redis`. Keys begin with `fsm_orch:{namespace}`.

    Args:
        url: of the server, `redis://host:6379/0`, `rediss://user:password@host:6379/0` or `unix:///path`.
        namespace: of those who share.
        processes: how many there are likely to be, until Redis has told.
        lease_s: after how many seconds a process that is dead, or stopped, has lost its places and its probe.
        beat_s: seconds between two looks at all breakers and places: so old may be what `is_shut` and `is_full` say.
        timeout_s: how long an answer of Redis may take. A call waits for one before it, so it may wait twice as long.

    Raises ValueError: if the URL is none of these, a number is not positive, or the lease is not some beats long.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        processes: int = 1,
        lease_s: float = 5.0,
        beat_s: float = 0.25,
        timeout_s: float = 0.25,
    ) -> None:
        whole("processes= of SharedGates", processes)
        _check_seconds(lease_s=lease_s, beat_s=beat_s, timeout_s=timeout_s)
        if not lease_s >= 2 * (beat_s + timeout_s):
            raise ValueError(
                f"lease_s={lease_s}: a beat may come {beat_s + timeout_s} s after the last, so give twice that or more"
            )
        if not namespace or set(namespace) & set("{}"):
            raise ValueError(f"namespace={namespace!r}: give a name without braces")
        _check_name(namespace)
        self._link = Link(
            url, namespace=namespace, lease_s=lease_s, beat_s=beat_s, timeout_s=timeout_s, processes=processes
        )
        self._named = dict[tuple[str, str], tuple[object, Shared]]()
        self._lock = Lock()

    def pace(self, name: str, calls: float, *, per_s: float = 1.0, burst: int = 1) -> SharedPace:
        """Return a pace for all processes: so many calls in so many seconds, as `Pace` keeps it in one.

        Of turns whose waiters gave up the last is free again, and one in mid-line is lost, also when those behind it
        give up later: no process knows who waits in another. So it is slower then, and never faster.

        Raises ValueError: if a number is not positive, or there is one of this name with other numbers.
        """
        numbers = (calls, per_s, burst)
        _check_seconds(every_s=Pace(calls, per_s=per_s, burst=burst).every_s)
        return self._one("pace", name, numbers, lambda: SharedPace(self._link, name, calls, per_s=per_s, burst=burst))

    def breaker(
        self,
        name: str,
        *,
        failures: int = 5,
        window_s: float = 60.0,
        open_s: float = 30.0,
        counts: Why | Iterable[Why] = DEFAULT_COUNTS,
    ) -> SharedBreaker:
        """Return a breaker for all processes: so many failures open it, and one probe decides, as in `Breaker`.

        Raises ValueError: if a number is not positive, it counts what is no failure, or there is one of this name with
            other numbers.
        """
        counted = counted_by(counts)
        _check_seconds(window_s=window_s, open_s=open_s)
        return self._one(
            "breaker", name, (failures, window_s, open_s, counted),
            lambda: SharedBreaker(
                self._link, name, failures=failures, window_s=window_s, open_s=open_s, counts=counted
            ),
        )  # fmt: skip

    def places(self, name: str, at_once: int, *, queue: int = 0) -> SharedPlaces:
        """Return places for all processes, for `Gate(at_once=)`: so many are at work at once, and so many wait.

        Who comes first is served first, in whatever process it waits, and hears of it within 20 ms.

        Raises ValueError: if there is no place, fewer than none wait, or some of this name have other numbers.
        """
        return self._one("places", name, (at_once, queue), lambda: SharedPlaces(self._link, name, at_once, queue=queue))

    def holdings(self) -> SharedHoldings:
        """Return what holds of quotas for all processes, for `Runner(quotas=, holdings=)`, by the clock of Redis.

        While Redis is away each process admits runs within what is left of its share: each limit, divided by the
        processes that were last seen. What was held in Redis stays held, and comes on top.
        """
        return self._one("holdings", "", (), lambda: SharedHoldings(self._link))

    def open(self) -> Self:
        """Begin to share. It waits for Redis, for as long as two answers may take.

        Raises StartError: if Redis lets nobody in, or this was opened before.
        """
        self._link.open()
        return self

    def close(self) -> None:
        """End it: whoever waits for a place is denied, and nobody enters its gates any more."""
        self._link.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _one(self, kind: str, name: str, numbers: object, make: Callable[[], S]) -> S:
        """Return the one of a name; make it if there is none."""
        _check_name(name)
        with self._lock:
            had, one = self._named.get((kind, name), (numbers, None))
            if had != numbers:
                raise ValueError(f"{kind} {name!r} has other numbers already: {had}, not {numbers}. Use another name")
            if one is None:
                one = make()
                self._named[kind, name] = (numbers, one)
                self._link.shared = [*self._link.shared, one]
            return one  # type: ignore[return-value]


def _check_name(name: str) -> None:
    """Raise ValueError if the server could not be told a name."""
    if without_surrogates(name) != name:
        raise ValueError(f"{name!r}: give a name that is Unicode text, without half a surrogate pair")


def _check_seconds(**given: float) -> None:
    """Raise TypeError or ValueError if some seconds are none, or the server could not reckon with them."""
    for what, seconds in given.items():
        if positive(f"{what}= of SharedGates", seconds, or_zero=what == "every_s") > _LONGEST_S:
            raise ValueError(f"{what}={seconds}: give a hundred years at most")
