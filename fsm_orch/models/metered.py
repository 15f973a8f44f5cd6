"""The metered model, the only one an agent ever holds: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..amounts import Usage
from ..errors import CallDenied, CallFailed, WrongType
from ..limits import CallLimits
from ..messages import Message
from ..resilience.retry import Retry
from .base import Model, Request, Response
from .unchangeable import unchangeable


class Desk(Protocol):
    """Where a metered model books its calls: the run's single writer, as one attempt sees it.

    Raises VisitClosed: from `check`, `reserve` and `written`, once the attempt has ended.
    """

    def check(self) -> None:
        """Check that calls may still be made, and may be made on this thread and event loop."""
        ...

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        """Reserve a call and return its number.

        Raises CallDenied: if the kernel denies it; do not try it again.
        """
        ...

    async def written(self) -> None:
        """Wait until the journal is stored, and check again: a request goes out only after its reservation is."""
        ...

    def calls_left(self) -> int:
        """Return how many more calls this visit may make."""
        ...

    def seconds_left(self) -> float:
        """Return the seconds until the visit's time or the run's deadline is over, whichever comes first."""
        ...

    def settle(self, call: int, usage: Usage | None) -> None:
        """Charge a call what it used; None charges its whole reservation."""
        ...

    def release(self, call: int) -> None:
        """Release the reservation of a call that provably cost nothing."""
        ...


class MeteredModel:
    """A model that reserves before it sends, and settles whatever happens.

    Args:
        model: the adapter.
        desk: where calls are booked.
        limits: the caps of one call.
        retry: how transient failures are retried; each retry counts as one of the visit's calls. None: never.
    """

    def __init__(self, model: Model, desk: Desk, limits: CallLimits, *, retry: Retry | None = None) -> None:
        self._model = model
        self._desk = desk
        self._limits = limits
        self._retry = retry

    def __deepcopy__(self, memo: dict[int, Any]) -> MeteredModel:
        return self  # a copy would book its calls on a copy of the run, whose ledger nobody sees

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(self, messages: tuple[Message, ...], schema: Mapping[str, Any] | None = None) -> Response:
        """Send a request, its output capped at the agent's `max_output_tokens`; each try is a call of the visit.

        Raises CallDenied: if its input may be larger than `max_input_tokens`, or the kernel denies it.
        Raises CallFailed: if it failed, and either the failure is not transient or no try is left.
        Raises VisitClosed: if the visit has ended, or its run is about to end.
        Raises VisitError: on another thread or event loop than the run's.
        Raises WrongType: if the messages are not `Message` objects, such as a text.
        """
        if isinstance(messages, str | Message) or not all(isinstance(said, Message) for said in messages):
            raise WrongType("ask takes a tuple of messages: ask((Message(role='user', content='...'),))")
        self._desk.check()  # first of all: even counting may be a request
        schema = unchangeable(schema)  # or what an adapter does to it reaches the caller's own, and the next request
        request = Request(messages=messages, schema=schema, max_output_tokens=self._limits.max_output_tokens)
        bound = await self._model.count(request)  # once: the bound is the same for every try
        if bound > self._limits.max_input_tokens:
            raise CallDenied(f"its input may be {bound:,} tokens, the cap is {self._limits.max_input_tokens:,}")
        try:
            return await self._send(request, bound)
        except CallFailed as error:
            if self._retry is None:
                raise
            return await self._retry.after(
                error,
                lambda: self._send(request, bound),
                calls_left=self._desk.calls_left,
                seconds_left=self._desk.seconds_left,
            )

    async def _send(self, request: Request, bound: int) -> Response:
        """Reserve a call, send one request, and settle it."""
        call = self._desk.reserve(bound, request.max_output_tokens)
        usage, is_unsent = None, True
        try:
            # What the journal lost in a crash, a resumed run would not know to be spent; so it is stored first.
            await self._desk.written()
            is_unsent = False  # set before it is sent: from here on only the adapter can know that it cost nothing
            response = await self._model.complete(request)
            usage = response.usage  # before anyone validates the text: an invalid reply is billed too
        except CallFailed as error:
            is_unsent = error.unsent
            raise
        finally:  # not `except`: a cancellation passes here too, and leaves the whole reservation charged
            if is_unsent:
                self._desk.release(call)
            else:
                self._desk.settle(call, usage)
        self._desk.check()  # the reply to a visit that has ended is nobody's
        return response
