"""The metered model, the only one an agent ever holds: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ..amounts import Usage, believed, is_count
from ..errors import CallDenied, CallFailed
from ..limits import CallLimits
from ..messages import Message
from ..resilience.retry import Retry
from .base import Model, Request, Response


class Desk(Protocol):
    """Where a metered model books its calls: the run's single writer, as one attempt sees it.

    Raises VisitClosed: from every method, once the attempt has ended.
    """

    def reserve(self, input_tokens: int, output_tokens: int) -> int:
        """Reserve a call and return its number.

        Raises CallDenied: if the kernel denies it; do not try it again.
        """
        ...

    async def written(self) -> None:
        """Wait until the journal is stored: a request goes out only after its reservation is."""
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

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(self, messages: tuple[Message, ...], schema: Mapping[str, Any] | None = None) -> Response:
        """Send a request, its output capped at the agent's `max_output_tokens`; each try is a call of the visit.

        Raises CallDenied: if its input may be larger than `max_input_tokens`, or the kernel denies it.
        Raises CallFailed: if it failed, and either the failure is not transient or no try is left.
        Raises VisitClosed: if the visit has ended.
        Raises TypeError: if the messages are not `Message` objects, such as a text.
        """
        if isinstance(messages, str | Message) or not all(isinstance(said, Message) for said in messages):
            raise TypeError("ask takes a tuple of messages: ask((Message(role='user', content='...'),))")
        request = Request(messages=messages, schema=schema, max_output_tokens=self._limits.max_output_tokens)
        bound = await self._bound(request)  # once: the bound is the same for every try
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

    async def _bound(self, request: Request) -> int:
        """Return the bound of a request's input, which is within its cap.

        Raises CallDenied: if it is not.
        Raises CallFailed: if the model cannot count it.
        """
        bound: object = await self._model.count(request)
        if not is_count(bound):  # NaN would pass the comparison below, and every one with a limit after it
            came = "a number that is none of tokens" if isinstance(bound, int | float) else f"a {type(bound).__name__}"
            raise CallFailed(
                "uncountable", f"{self.name}.count gave {came}: it gives a whole number, 0 or more", unsent=True
            )
        if bound > self._limits.max_input_tokens:
            raise CallDenied(f"its input may be {bound:,} tokens, the cap is {self._limits.max_input_tokens:,}")
        return bound

    async def _send(self, request: Request, bound: int) -> Response:
        """Reserve a call, send one request, and settle it."""
        call = self._desk.reserve(bound, request.max_output_tokens)
        usage, is_unsent = None, True
        try:
            # What the journal lost in a crash, a resumed run would not know to be spent; so it is stored first.
            await self._desk.written()
            is_unsent = False  # set before it is sent: from here on only the adapter can know that it cost nothing
            response = await self._model.complete(request)
            # before anyone validates the text: an invalid reply is billed too
            usage = believed(response.usage)
        except CallFailed as error:
            is_unsent = error.unsent
            raise
        finally:  # not `except`: a cancellation passes here too, and leaves the whole reservation charged
            if is_unsent:
                self._desk.release(call)
            else:
                self._desk.settle(call, usage)
        return response
