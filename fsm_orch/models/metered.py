"""The metered model, the only one an agent ever holds: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..amounts import Usage, believed, is_count
from ..define.states import Handoff
from ..errors import CallDenied, CallFailed, WrongType
from ..limits import CallLimits
from ..messages import Message
from ..resilience.retry import Retry
from .base import Model, Request, Response
from .unchangeable import unchangeable


class Desk(Protocol):
    """Where a metered model books its calls: the run's single writer, as one attempt sees it.

    Raises VisitClosed: from `check`, `reserve`, `written` and what draws a menu, once the attempt has ended.
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

    def most_offered(self) -> tuple[Handoff, ...]:
        """Return the most handoffs that a request may offer, whatever its call will reserve."""
        ...

    def offered(self, most: tuple[Handoff, ...]) -> tuple[Handoff, ...]:
        """Return those of the most that are legal beside what the request's call has reserved."""
        ...

    def calls_left(self) -> int:
        """Return how many more calls this visit may make."""
        ...

    def seconds_left(self) -> float:
        """Return the seconds until the visit's time or the run's deadline is over, whichever comes first."""
        ...

    def settle(self, call: int, usage: Usage | None) -> None:
        """Charge a call what it used, however late that is known; None charges its whole reservation."""
        ...

    def release(self, call: int) -> None:
        """Release the reservation of a call that provably cost nothing."""
        ...


Said = tuple[tuple[Message, ...], Mapping[str, Any] | None]
"""What a request says: its messages, and the schema of its reply; None: free text."""

Draw = Callable[[tuple[Handoff, ...]], Said]
"""Makes what a request says from the handoffs that it may offer. The fewer there are, the smaller it must be."""


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
        request = self._request((messages, schema))
        return await self._try(request, lambda: request)

    async def ask_drawn(self, draw: Draw) -> Response:
        """Send a request that is drawn anew for each try, once its call is reserved.

        Whatever was charged before, and what this very call may take: what can no longer be paid for is not offered.

        Args:
            draw: makes the request. It is called first with the most that the request may offer, to bound it; what it
                raises is raised here, and the call that it was drawn for costs nothing.

        Raises as `ask` does.
        """
        self._desk.check()
        most = self._desk.most_offered()
        widest = self._request(draw(most))

        def drawn() -> Request:
            offered = self._desk.offered(most)
            return widest if offered == most else self._request(draw(offered))

        return await self._try(widest, drawn)

    def _request(self, said: Said) -> Request:
        messages, schema = said
        # unchangeable, or what an adapter does to it reaches the caller's own, and the next request
        return Request(messages=messages, schema=unchangeable(schema), max_output_tokens=self._limits.max_output_tokens)

    async def _try(self, widest: Request, drawn: Callable[[], Request]) -> Response:
        """Send a request, and again as long as it fails for now and that is worth it.

        Args:
            widest: the largest that it may be; counted once, for every try.
            drawn: makes it, once its call is reserved.
        """
        bound = self._within_cap(await self._model.count(widest))
        try:
            return await self._send(bound, drawn)
        except CallFailed as error:
            if self._retry is None:
                raise
            return await self._retry.after(
                error,
                lambda: self._send(bound, drawn),
                calls_left=self._desk.calls_left,
                seconds_left=self._desk.seconds_left,
            )

    def _within_cap(self, bound: object) -> int:
        """Return the bound of a request's input, which is within its cap.

        Raises CallDenied: if it is not.
        Raises CallFailed: if it is no number of tokens.
        """
        if not is_count(bound):  # NaN would pass the comparison below, and every one with a limit after it
            came = "a number that is none of tokens" if isinstance(bound, int | float) else f"a {type(bound).__name__}"
            raise CallFailed(
                "uncountable", f"{self.name}.count gave {came}: it gives a whole number, 0 or more", unsent=True
            )
        if bound > self._limits.max_input_tokens:
            raise CallDenied(f"its input may be {bound:,} tokens, the cap is {self._limits.max_input_tokens:,}")
        return bound

    async def _send(self, bound: int, drawn: Callable[[], Request]) -> Response:
        """Reserve a call, draw and send one request, and settle it."""
        call = self._desk.reserve(bound, self._limits.max_output_tokens)
        usage, is_unsent = None, True
        try:
            # What the journal lost in a crash, a resumed run would not know to be spent; so it is stored first.
            await self._desk.written()
            request = drawn()
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
        self._desk.check()  # the reply to a visit that has ended is nobody's
        return response
