"""A fallback: models in order, each of which is asked while those before it rest, since they failed for now.

It is bounded as a model by the largest bound and the dearest price of each side. So whatever is proved, granted and
reserved holds for whichever of them is asked; what is charged is what that one costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass

from ..amounts import Price
from ..define.wording import kind_of
from ..errors import CallFailed, ModelUnavailable
from ..settings import ModelSettings
from .base import Model, OnPiece, Request, Response, StreamingModel, bound_of, completed, objection, warmed
from .refused import not_taken_by

REST_S = 30.0
"""Seconds that a model rests which failed for now, by default."""

_MOMENT_S = 1e-3
"""A visit that has so little time left has none."""


class Fallback:
    """Models in order of preference: `Runner(model=Fallback("openai:gpt-5-mini", "anthropic:claude-haiku-4-5"))`.

    A model that fails for now, such as by a 503 or a 429, or is not heard of before its visit is over, rests. While it
    does the next that does not is asked, at once and as a further call of the visit; while all rest, the one that will
    be back first. A denied call was not sent: it is nobody's failure. One that cannot even count a request for now
    rests too, and is not sent it. By name it is `first,second`.

    Args:
        models: two or more, each `provider:model` or a model; no two of one name.
        rest_s: seconds that a model rests which failed, or more if its provider asks for more. It is this process's.

    Raises ValueError: if they are fewer than two, or two have one name, or `rest_s` is not above 0.
    Raises TypeError: if one is neither a name nor a model.
    """

    def __init__(self, *models: str | Model, rest_s: float = REST_S) -> None:
        for model in models:
            if not isinstance(model, str) and (isinstance(model, type) or not hasattr(model, "complete")):
                raise TypeError(f"Fallback takes 'provider:model' or models, not {kind_of(model)}")
        self.models: tuple[str | Model, ...] = tuple(
            model.strip() if isinstance(model, str) else model for model in models
        )
        """In order, as they were given; models alone once it is opened."""
        names = [model if isinstance(model, str) else model.name for model in self.models]
        if len(set(names)) < 2 or len(set(names)) < len(names) or "," in "".join(names) or not rest_s > 0:
            raise ValueError(
                f"a fallback is two models or more, each by itself and once, and a rest above 0 s, not {names} and "
                f"{rest_s}: Fallback('openai:gpt-5-mini', 'anthropic:claude-haiku-4-5')"
            )
        self.name = ",".join(names)
        self.rest_s = rest_s
        self._members: tuple[_Member, ...] = ()

    def __repr__(self) -> str:
        return f"Fallback({self.name!r})"

    @property
    def by_name(self) -> str:
        """The name, for who can say no more than that, as an agent.

        Raises TypeError: if that would not be all: it holds models, or rests for a time of its own.
        """
        if self.rest_s != REST_S or not all(isinstance(model, str) for model in self.models):
            raise TypeError("an agent names the models of a fallback, and no more: give this one to the Runner")
        return self.name

    def open(self, opened: Callable[[str | Model], Model]) -> None:
        """Find the models that are named, and check the others; the second time nothing happens.

        Raises ModelUnavailable: if one cannot be had: a fallback that lacks one would be none when it is needed.
        """
        if not self._members:
            found = [opened(model) for model in self.models]
            self.models = tuple(found)
            self._members = tuple(_Member(model, self.rest_s) for model in found)

    @property
    def price(self) -> Price | None:
        """The dearest price of each side; None if one is not known."""
        from .prices import dearest_if_known, price_by_name  # noqa: PLC0415 - the price table loads an HTTP client

        return dearest_if_known(
            {name: price_by_name(model) if isinstance(model, str) else model.price for name, model in self._named()}
        )

    def objection(self, settings: ModelSettings) -> str | None:
        """Return which of its models cannot keep to some settings, and why."""
        for name, model in self._named():
            why = not_taken_by(model, settings) if isinstance(model, str) else objection(model, settings)
            if why:
                return f"{name}: {why}"
        return None

    def _named(self) -> Iterator[tuple[str, str | Model]]:
        """Return each model with its name, opened or not."""
        return zip(self.name.split(","), self.models, strict=True)

    async def warm(self) -> None:
        """Make its models ready. One that fails for now rests, as after a request, if another is ready.

        Raises CallFailed: if one fails for good, or all for now.
        """
        failures = [failed for failed in await asyncio.gather(*[each.warm() for each in self._opened()]) if failed]
        for failure in failures:
            if not failure.transient or len(failures) == len(self._opened()):
                raise failure

    async def count(self, request: Request) -> int:
        """Return the largest of its models' bounds.

        Raises CallFailed: if one of them cannot count the request, or take it.
        """
        return max([bound_of(member.name, await member.model.count(request)) for member in self._opened()])

    async def counted(self, request: Request, seconds_left: Callable[[], float]) -> tuple[Fallback, int]:
        """Return this without the models that cannot count a request for now, and the largest bound of the others.

        Args:
            seconds_left: returns the seconds until the count is given up.

        Raises CallFailed: if none can count it, or one of them never can.
        """
        # a bound that was reserved must hold for whoever is asked: so who has not counted is left out of all tries
        now, bounds = asyncio.get_running_loop().time(), dict[str, int]()
        failure = None
        for member in [each for each in self._opened() if each.counts_from <= now] or self._opened():
            try:
                bounds[member.name] = await member.count(request, seconds_left)
            except CallFailed as error:
                if not error.transient:
                    raise
                failure = error
        if failure is not None and not bounds:
            raise failure
        if len(bounds) == len(self._opened()):
            return self, max(bounds.values())
        able = copy(self)
        able._members = tuple(member for member in self._opened() if member.name in bounds)
        return able, max(bounds.values())

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Send the request once, to the model whose turn it is."""
        return await self.turn().complete(request, on_text)

    def turn(self, seconds_left: Callable[[], float] | None = None) -> StreamingModel:
        """Return the model whose turn it is: the first that does not rest, else the one that will be back first.

        Args:
            seconds_left: returns the seconds until a request is given up; None: nothing gives it up.
        """
        now = asyncio.get_running_loop().time()
        member = min(self._opened(), key=lambda member: max(member.rests_until - now, 0))
        return _Turn(member, seconds_left)

    def has_another(self) -> bool:
        """Return whether some model does not rest."""
        now = asyncio.get_running_loop().time()
        return any(member.rests_until <= now for member in self._opened())

    def _opened(self) -> tuple[_Member, ...]:
        if not self._members:
            raise ModelUnavailable(f"{self!r} has not been opened: give it to a Runner")
        return self._members


@dataclass(slots=True)
class _Member:
    """A model of a fallback, and when it may be asked again, by the clock of the event loop."""

    model: Model
    rest_s: float
    rests_until: float = 0.0
    counts_from: float = 0.0
    """Later than now while it rests because it could not count."""

    @property
    def name(self) -> str:
        return self.model.name

    def rest(self, asked_s: float | None = None) -> None:
        self.rests_until = asyncio.get_running_loop().time() + max(self.rest_s, asked_s or 0.0)

    @contextmanager
    def asked(self, seconds_left: Callable[[], float] | None) -> Iterator[None]:
        """Have it rest if it fails for now, or is not heard of in the seconds that are left."""
        clock = asyncio.get_running_loop().time
        over = clock() + seconds_left() if seconds_left else float("inf")
        try:
            yield
        except CallFailed as error:
            if error.transient:
                self.rest(error.retry_after_s)
            raise
        except asyncio.CancelledError:
            if clock() >= over - _MOMENT_S:  # not heard of in time; else somebody gave it up, which is not its failure
                self.rest()
            raise

    async def warm(self) -> CallFailed | None:
        """Make it ready. Return how it failed, by which it rests; None if it did not."""
        try:
            with self.asked(None):
                await warmed(self.model)
        except CallFailed as error:
            return error
        return None

    async def count(self, request: Request, seconds_left: Callable[[], float]) -> int:
        """Return its bound of a request. If it fails for now, it is not asked to count while it rests."""
        try:
            with self.asked(seconds_left):
                return bound_of(self.name, await self.model.count(request))
        except (CallFailed, asyncio.CancelledError):
            self.counts_from = self.rests_until
            raise


@dataclass(frozen=True, slots=True)
class _Turn:
    """A model of a fallback, for one request."""

    member: _Member
    seconds_left: Callable[[], float] | None

    @property
    def name(self) -> str:
        return self.member.name

    @property
    def price(self) -> Price | None:
        return self.member.model.price

    async def count(self, request: Request) -> int:
        return await self.member.model.count(request)

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Send the request, and have the model rest if it fails for now."""
        with self.member.asked(self.seconds_left):
            return await completed(self.member.model, request, on_text)
