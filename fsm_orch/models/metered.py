"""The metered model, the only one an agent ever holds: it reserves before it sends, and settles whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..amounts import believed
from ..errors import CallDenied, CallFailed, WrongType
from ..kernel.legal import Offer
from ..kernel.reasons import CallCause
from ..limits import CallLimits
from ..messages import Message
from ..resilience.base import Pacing
from ..resilience.retry import Retry
from ..settings import AS_THEY_ARE, ModelSettings
from .base import Model, OnPiece, Request, Response, bound_of, cause_of, completed
from .desk import Desk, Memory
from .fallback import Fallback
from .unchangeable import unchangeable

Said = tuple[tuple[Message, ...], Mapping[str, Any] | None]
"""What a request says: its messages, and the schema of its reply; None: free text."""

Draw = Callable[[Offer], Said]
"""Makes what a request says from the handoffs that it may offer. The fewer there are, the smaller it must be."""


class _Fitting(NamedTuple):
    """A request that is within its cap."""

    number: int
    """Which of several."""
    bound: int
    """Of its input, the same for every try."""
    model: Model
    """Whom the bound holds for."""


class _Asked(NamedTuple):
    """What an agent asks, as the memory of its attempt knows it."""

    number: int
    """Counts from 1 within the attempt."""
    request: Request
    answer: Response | None
    """What it was answered already."""


class _Sending(NamedTuple):
    """What is sent, by each of its tries."""

    fitting: _Fitting
    drawn: Callable[[], Request]
    """Makes the request, once a call is reserved."""
    asked: _Asked
    listen: Callable[[], OnPiece] | None
    """As in `ask_drawn`."""


class MeteredModel:
    """A model that reserves before it sends, and settles whatever happens.

    Args:
        model: the adapter.
        desk: where calls are booked.
        limits: the caps of one call.
        settings: how the model is to answer.
        retry: how transient failures are retried; each retry counts as one of the visit's calls. None: never.
        on_prompt: told of every request that was sent: the number of its call, the name of the model, the request, and
            the response; None if it failed. It never raises.
        memory: gives what a request was answered before a crash. None: nothing is remembered.
        pace: spreads calls over time; each waits for its turn before it is reserved. None: nothing does.
    """

    def __init__(
        self,
        model: Model,
        desk: Desk,
        limits: CallLimits,
        *,
        settings: ModelSettings = AS_THEY_ARE,
        retry: Retry | None = None,
        on_prompt: Callable[[int, str, Request, Response | None], None] | None = None,
        memory: Memory | None = None,
        pace: Pacing | None = None,
    ) -> None:
        self._model = model
        self._desk = desk
        self._limits = limits
        self._settings = settings
        self._retry = retry
        self._on_prompt = on_prompt
        self._memory = memory
        self._pace = pace
        self.last: Response | None = None
        """The last response; None if there was none."""

    def __deepcopy__(self, memo: dict[int, Any]) -> MeteredModel:
        return self  # a copy would book its calls on a copy of the run, whose ledger nobody sees

    @property
    def name(self) -> str:
        return self._model.name

    async def ask(
        self,
        messages: tuple[Message, ...],
        schema: Mapping[str, Any] | None = None,
        *,
        shorter: Sequence[tuple[Message, ...]] = (),
        spare: int = 0,
    ) -> Response:
        """Send a request, its output capped at the agent's `max_output_tokens`; each try is a call of the visit.

        What an attempt was answered before a crash is given to its same request again, and is no call.

        Args:
            messages: what is said to the model.
            schema: what the reply must match; None: free text.
            shorter: what is said instead, the first of them whose input fits, if that of `messages` may be too large.
            spare: calls of the visit that are left for what comes after it: it is not tried again by one of them.

        Raises CallDenied: if its input may be larger than `max_input_tokens`, or the kernel denies it.
        Raises CallFailed: if it failed, and either the failure is not transient or no try is left.
        Raises VisitClosed: if the visit has ended, or its run is about to end.
        Raises VisitError: on another thread or event loop than the run's.
        Raises WrongType: if the messages are not `Message` objects, such as a text.
        """
        prompts = (messages, *shorter)
        if isinstance(messages, str | Message) or not all(isinstance(said, Message) for one in prompts for said in one):
            raise WrongType("ask takes a tuple of messages: ask((Message(role='user', content='...'),))")
        self._desk.check()  # first of all: even counting may be a request
        requests = [self._request((said, schema)) for said in prompts]
        asked = self._recalled(requests[0])
        if asked.answer is not None:
            return asked.answer
        fitting = await self._fitting(requests)
        sending = _Sending(fitting, lambda: requests[fitting.number], asked, None)
        response = await self._try(sending, spare=spare)
        # The agent may do anything now, and ask again, and be asked this never again; who draws a menu decides next.
        await self._stored()
        return response

    async def fits(self, messages: tuple[Message, ...], schema: Mapping[str, Any] | None = None) -> bool:
        """Return whether the input of a request is within the agent's `max_input_tokens`; it is not sent."""
        self._desk.check()
        try:
            await self._fitting([self._request((messages, schema))])
        except (CallDenied, CallFailed):
            return False
        return True

    async def ask_drawn(
        self,
        draw: Draw,
        *,
        shorter: Sequence[Draw] = (),
        listen: Callable[[], OnPiece] | None = None,
        goes_on: bool = False,
    ) -> Response:
        """Send a request that is drawn anew for each try, once its call is reserved.

        Whatever was charged before, and what this very call may take: what can no longer be paid for is not offered.

        Args:
            draw: makes the request of an `Offer`: of its `handoffs`, and of `none_of_these` too if it `is_used_up`. It
                is called first with the most that the request may offer, to bound it; what it raises is raised here,
                and the call that it was drawn for costs nothing.
            shorter: what makes it instead if it is too long, longest first.
            listen: called for each request that is sent, for who is told the text of its reply as it comes, if the
                model streams. None: nobody is, and the model is not asked to.
            goes_on: whether the agent may do anything with the reply, and not only decide: it is then stored first.

        Raises as `ask` does.
        """
        most, draws = self._desk.most_offered(), (draw, *shorter)
        requests = [self._request(each(most)) for each in draws]
        asked = self._recalled(requests[0])
        if asked.answer is not None:
            return asked.answer
        fitting = await self._fitting(requests)
        number = fitting.number

        def drawn() -> Request:
            is_last = self._desk.calls_left() < 1  # of a try after the first one, it may have become so
            if not most.is_used_up and is_last == most.is_last:  # then nothing will be used up by this call
                return requests[number]
            offered = self._desk.offered(most)
            return requests[number] if offered == most else self._request(draws[number](offered))

        response = await self._try(_Sending(fitting, drawn, asked, listen))
        if goes_on:
            await self._stored()
        return response

    async def _stored(self) -> None:
        """Wait until a reply is stored that may be asked for again after a crash."""
        if self._memory is not None and self._desk.calls_left() > 0:
            await self._desk.stored()

    def _recalled(self, request: Request) -> _Asked:
        """Return a request as the memory knows it: by what is asked, before it is cut to what fits, or fits still."""
        number, answer = (0, None) if self._memory is None else self._memory.recall(request)
        if answer is not None:
            self.last = answer
        return _Asked(number, request, answer)

    def _request(self, said: Said) -> Request:
        messages, schema = said
        # unchangeable, or what an adapter does to it reaches the caller's own, and the next request
        return Request(
            messages=messages,
            schema=unchangeable(schema),
            max_output_tokens=self._limits.max_output_tokens,
            settings=self._settings,
        )

    async def _try(self, sending: _Sending, *, spare: int = 0) -> Response:
        """Send a request, and again as long as it fails for now and that is worth it.

        Args:
            spare: calls that it leaves.
        """

        def calls_left() -> int:
            return self._desk.calls_left() - spare

        send = partial(self._send_or_fall_back, sending, calls_left)
        try:
            return await send()
        except CallFailed as error:
            if self._retry is None:
                raise
            return await self._retry.after(
                error,
                send,
                calls_left=calls_left,
                seconds_left=self._desk.seconds_left,
            )

    async def _send_or_fall_back(self, sending: _Sending, calls_left: Callable[[], int]) -> Response:
        """Send a request; if it fails for now, ask the other models of a fallback at once, as far as calls are left."""
        try:
            return await self._send(sending)
        except CallFailed as error:
            model = sending.fitting.model
            if not (error.transient and isinstance(model, Fallback) and model.has_another() and calls_left() >= 1):
                raise
            # in here, no loop: if there is nothing to ask the next for, what it then raises is told of this failure
            return await self._send_or_fall_back(sending, calls_left)

    async def _fitting(self, requests: Sequence[Request]) -> _Fitting:
        """Return the first request whose input is within its cap.

        Raises CallDenied: if none is.
        Raises CallFailed: if the last of them cannot be counted.
        """
        model, bound = self._model, 0
        for number, request in enumerate(requests):
            try:
                if isinstance(self._model, Fallback):
                    model, counted = await self._model.counted(request, self._desk.seconds_left)
                else:
                    counted = await model.count(request)
                bound = bound_of(self.name, counted)
            except CallFailed:  # a model may say so if an input is too large for it
                if request is requests[-1]:
                    raise
                continue
            if bound <= self._limits.max_input_tokens:
                return _Fitting(number, bound, model)
        cap = self._limits.max_input_tokens
        raise CallDenied(f"its input may be {bound:,} tokens, the cap is {cap:,} (max_input_tokens={bound} would do)")

    def _unreadable(self, came: str) -> CallFailed:
        return CallFailed("unreadable", f"{self.name}.complete gave {came}: it gives a Response(text=..., usage=...)")

    async def _send(self, sending: _Sending) -> Response:
        """Reserve a call, draw and send one request, and settle it."""
        fitting, drawn, asked, listen = sending
        model = fitting.model
        if isinstance(model, Fallback):
            model = model.turn(self._desk.seconds_left)
        # before it is reserved: while it waits no money is held, and if it cannot be in time no call is used up
        waited = 0.0 if self._pace is None else await self._pace.wait(self._desk.seconds_left())
        call = self._desk.reserve(fitting.bound, self._limits.max_output_tokens, model.name, waited)
        request: Request | None = None
        response: Response | None = None
        usage, is_unsent = None, True
        cause: CallCause | None = None
        try:
            # What the journal lost in a crash, a resumed run would not know to be spent; so it is stored first.
            await self._desk.written()
            request = drawn()
            # set before it is sent: from here on only the adapter can know that it cost nothing, and why it failed
            is_unsent, cause = False, "given_up"
            reply = await completed(model, request, None if listen is None else listen())
            # by its class: an object of a user's own may say anything of itself, and what it has later is not that
            if not issubclass(type(reply), Response):
                raise self._unreadable(f"a {type(reply).__name__}")
            # before anyone validates the text: an invalid reply is billed too
            usage = believed(reply.usage)
            if not issubclass(type(reply.text), str):
                raise self._unreadable(f"a Response whose text is a {type(reply.text).__name__}")
            self.last = response = reply
            cause = None
        except CallFailed as error:
            is_unsent, cause = error.unsent, cause_of(error)
            raise
        except Exception:  # of an adapter that keeps to no port
            cause = cause and "other"
            raise
        finally:  # not `except`: a cancellation passes here too, and leaves the whole reservation charged
            if self._on_prompt is not None and request is not None:  # while the call is open, and its span with it
                self._on_prompt(call, model.name, request, response)
            if is_unsent:
                self._desk.release(call, cause)
            else:
                if response is not None and self._memory is not None:
                    self._memory.keep(asked.number, call, asked.request, response)
                self._desk.settle(call, usage, cause)
        self._desk.check()  # the reply to a visit that has ended is nobody's
        return reply
