"""Admission: what stands before runs. So many at once, a line of those that wait, and an honest word to all others.

Refusing is work too, and takes the core from those that were admitted. A `Door` refuses before anything is read, for
less than half of what it costs in a route (38 us of CPU against 88 with uvicorn; see the how-to on load).
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from ..clock import Clock
from ..errors import Overloaded
from .base import moment
from .line import Line, NoPlace

_Reason = Literal["queue_full", "too_long", "waited_too_long"]

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]
"""An ASGI application."""

_WEIGHS = 0.1
"""How much the last run counts in the seconds that one takes."""

_FURTHEST_S = 60.0
"""For how long at most others who were refused make one wait: they may have gone for good."""

_SMALL = 65_536
"""Bytes of a body that servers read before anybody asks for them."""


class Admission:
    """So many runs at once; the others wait in line, first come, first served, and leave it after a while.

    How long a newcomer would wait is told from the runs that ended lately; until one has, it is taken that they take
    `expected_s`. One admission may stand before several runners, and be that of a `Door` too.

    >>> Admission(64).weight_of(10_000), Admission(5_000_000, by="tokens").weight_of(10_000)
    (1, 10000)

    Args:
        most: how many may run at once, or how many tokens they may still cost together.
        by: what counts: `runs`, or the `tokens` that each may still cost.
        queue: how many may wait.
        wait_s: for how long; who would wait longer is refused at once.
        expected_s: seconds that a run takes.
        clock: monotonic seconds. None: the event loop's.

    Raises ValueError: if a number is not positive, or it counts by something else.
    """

    def __init__(
        self,
        most: int,
        *,
        by: Literal["runs", "tokens"] = "runs",
        queue: int = 256,
        wait_s: float = 5.0,
        expected_s: float = 1.0,
        clock: Clock | None = None,
    ) -> None:
        if by not in ("runs", "tokens"):
            raise ValueError(f"Admission counts by='runs' or by='tokens', not by={by!r}")
        if not (most >= 1 and queue >= 0 and wait_s >= 0 and 0 < expected_s < math.inf):
            raise ValueError(
                f"Admission({most}, queue={queue}, wait_s={wait_s}, expected_s={expected_s}): give positive numbers"
            )
        self.by, self.wait_s = by, wait_s
        self._line = Line(most, queue)
        self._takes_s = expected_s
        self._told = -math.inf
        """For when the last one that was refused was told to come back."""
        self._clock = clock or moment

    @property
    def running(self) -> int:
        """How many run, or how much they weigh."""
        return self._line.held

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._line.waiting

    def weight_of(self, tokens: int) -> int:
        """Return what a run weighs.

        Args:
            tokens: that it may still cost.
        """
        return max(1, tokens) if self.by == "tokens" else 1

    def refusal(self, weight: int = 1) -> Overloaded | None:
        """Return why a newcomer is refused at once; None if it is not, and then nothing is taken.

        Those who are refused are told moments one after the other, as places become free: together they would come
        back in vain.
        """
        if self._line.is_full(weight):
            return self._refused("queue_full", weight)
        return (
            None
            if self._line.has_place(weight) or self._likely_s(weight) <= self.wait_s
            else self._refused("too_long", weight)
        )

    @asynccontextmanager
    async def place(self, weight: int = 1) -> AsyncIterator[float]:
        """Wait for a place, and hold it while the block runs. Yield how many seconds that took.

        Args:
            weight: of the run, such as the tokens that it may still cost, where `most` is in tokens.

        Raises Overloaded: if it is not admitted.
        """
        if refused := self.refusal(weight):
            raise refused
        came = self._clock()
        try:
            await self._line.take(self.wait_s, weight)
        except NoPlace as error:
            raise self._refused("queue_full" if error.why == "full" else "waited_too_long", weight) from None
        began, is_whole = self._clock(), False
        try:
            yield began - came
            is_whole = True
        finally:
            took_s = self._clock() - began
            if is_whole or took_s > self._takes_s:  # one that is cut short, as by its client, would have taken longer
                self._takes_s += _WEIGHS * (took_s - self._takes_s)
            self._line.give_back(weight)

    def _likely_s(self, weight: int) -> float:
        """Return after how many seconds a newcomer is likely to run: when those before it, and it, have had a place."""
        return (self._line.ahead + weight) * self._takes_s / self._line.places

    def _refused(self, reason: _Reason, weight: int) -> Overloaded:
        now, takes_s = self._clock(), weight * self._takes_s / self._line.places
        self._told = max(now + self._likely_s(weight), min(self._told + takes_s, now + _FURTHEST_S))
        return Overloaded(reason, max(1, math.ceil(round(self._told - now, 3))))


class Door:
    """An ASGI middleware that refuses with 429 and Retry-After, before routing and before the body is read.

    It looks, and takes no place: `admission.place()` in the route decides, or its runner, and what that raises is 429
    here too. `app.add_middleware(Door, admission=...)`.

    Where a body is still to come that nobody wants, the connection is closed: a server would read it to its end.

    Args:
        app: what it stands before.
        admission: who is admitted.
        paths: of the requests that begin a run, as the application has them, such as `["/runs"]`. None: all.
        methods: of these requests.

    Raises TypeError: if one of these is a text, and no list of them.
    Raises ValueError: if a path does not begin with a slash.
    """

    def __init__(
        self,
        app: App,
        *,
        admission: Admission,
        paths: Collection[str] | None = None,
        methods: Collection[str] = ("POST",),
    ) -> None:
        if isinstance(paths, str) or isinstance(methods, str):
            raise TypeError(f"a Door takes lists, paths=['/runs'], methods=['POST'], not paths={paths!r}, {methods=}")
        if wrong := [path for path in paths or () if not path.startswith("/")]:
            raise ValueError(f"paths= of a Door has {wrong!r}: a path begins with a slash, as in '/runs'")
        self._app, self._admission = app, admission
        self._paths = None if paths is None else frozenset(paths)
        self._methods = frozenset(method.upper() for method in methods)

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if not self._begins(scope):
            await self._app(scope, receive, send)
            return
        if refused := self._admission.refusal():
            await _say(refused, scope, send)
            return
        has_begun = False

        async def watched(message: Any) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Overloaded as error:
            if has_begun:
                raise
            await _say(error, scope, send)

    def _begins(self, scope: Scope) -> bool:
        """Return whether a request begins a run."""
        is_ours = scope["type"] == "http" and scope["method"] in self._methods
        return is_ours and (self._paths is None or _path(scope) in self._paths)


def _path(scope: Scope) -> str:
    """Return the path of a request as its application has it, without where a server has put that."""
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def _say(refused: Overloaded, scope: Scope, send: Callable[[Any], Awaitable[None]]) -> None:
    body = json.dumps({"detail": str(refused), "reason": refused.reason}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"%d" % refused.retry_after_s),
    ]
    if _is_much_to_come(scope):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _is_much_to_come(scope: Scope) -> bool:
    """Return whether a body is still to come on this connection: not in HTTP/2, where it has a stream of its own."""
    headers = dict(scope["headers"])
    is_long = int(headers.get(b"content-length", 0)) > _SMALL or b"transfer-encoding" in headers or b"expect" in headers
    return is_long and scope["http_version"].startswith("1")
