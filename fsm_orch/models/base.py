"""The port of models: what an adapter takes, returns and may raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, cast, get_args, runtime_checkable

from msgspec import Struct

from ..amounts import Price, Usage, is_count
from ..define.callables import takes
from ..errors import CallFailed
from ..kernel.reasons import CallCause
from ..messages import Message
from ..settings import AS_THEY_ARE, ModelSettings

FinishReason = Literal["stop", "length", "refusal", "other"]
"""How a reply ended; `Response.finish` says what each means."""


class Request(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One request to a model."""

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    """What the reply must match, in the dialect of `define.strict`; None: free text. It cannot be changed: one schema
    serves many requests. `copy.deepcopy` makes one that can."""
    max_output_tokens: int
    """The cap that goes on the wire, from 1."""
    settings: ModelSettings = AS_THEY_ARE
    """How the model is to answer; the model takes all that is set."""


class Response(Struct, frozen=True, kw_only=True):
    """A reply."""

    text: str
    """What the model wrote: JSON if the request had a schema, but nobody has checked it against that."""
    usage: Usage | None
    """What the request used; None if the provider gave no counts that can be believed."""
    finish: FinishReason = "stop"
    """`length`: the text was cut off; `refusal`: the model, or a filter of the provider, declined to answer; `other`:
    the provider said something else, or nothing. The text decides: whole JSON is a decision however it ended."""
    ended: str = ""
    """The provider's own word for an end that is `other`; empty if it gave none."""


class Model(Protocol):
    """A model, as adapters provide it.

    One call is one request, without retries or redirects: each request may be billed, so each has its own reservation.
    """

    @property
    def name(self) -> str:
        """`provider:model`."""
        ...

    @property
    def price(self) -> Price | None:
        """What tokens cost; None: unknown, and refused where a run has a limit on cost."""
        ...

    async def count(self, request: Request) -> int:
        """Return an upper bound of the request's input tokens, without cost.

        Raises CallFailed: if the request cannot be counted.
        """
        ...

    async def complete(self, request: Request) -> Response:
        """Send the request once.

        Raises CallFailed: if it failed; `unsent` only if it provably cost nothing.
        """
        ...


@runtime_checkable
class TakesSettings(Protocol):
    """A model that takes settings. One that does not say so takes none, and no run starts that sets some for it."""

    def objection(self, settings: ModelSettings) -> str | None:
        """Return what of some settings the model cannot keep to, and why; None if it takes them all."""
        ...


def objection(model: Model, settings: ModelSettings) -> str | None:
    """Return what of some settings a model cannot keep to; None if it takes them all."""
    if not settings.chosen:
        return None
    if not isinstance(model, TakesSettings):
        name = type(model).__name__
        return f"{name} does not say that it takes any: write def objection(self, settings) -> str | None"
    return model.objection(settings)


@runtime_checkable
class Warms(Protocol):
    """A model that can be made ready before its first request. One that does not say so is ready at any time."""

    async def warm(self) -> None:
        """Open what the first request would wait for, on this event loop. It is not charged.

        Called at any time, and several times. Where the provider can say for nothing whether name and key are right,
        it is asked.

        Raises CallFailed: if the model cannot be asked now, or not at all.
        """
        ...


async def warmed(model: Model) -> None:
    """Make a model ready, if there is anything to do.

    Raises CallFailed: as `Warms.warm` does.
    """
    if isinstance(model, Warms):
        await model.warm()


def bound_of(name: str, counted: object) -> int:
    """Return the bound of a request's input, as a model has counted it.

    Raises CallFailed: if it is no number of tokens.
    """
    if is_count(counted):
        return counted
    # NaN would pass the comparison with the cap, and every one with a limit after it
    came = "a number that is none of tokens" if isinstance(counted, int | float) else f"a {type(counted).__name__}"
    raise CallFailed("uncountable", f"{name}.count gave {came}: it gives a whole number, 0 or more", unsent=True)


_CAUSES: Mapping[str, CallCause] = {cause: cause for cause in get_args(CallCause)}


def cause_of(error: CallFailed) -> CallCause:
    """Return why a call failed, as records say it: its reason if that is a word of theirs, else `other`."""
    # by its class: an adapter of a user's own may give anything, and an object of its own may raise when it is compared
    return _CAUSES.get(error.reason, "other") if type(error.reason) is str else "other"


OnPiece = Callable[[str], object]
"""Is told each piece of the text of a reply as it comes, on the event loop of the call. It never raises."""


class StreamingModel(Model, Protocol):
    """A model that can also tell the text of a reply while it comes."""

    async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
        """Send the request once, and return the whole reply, as any model does.

        Args:
            on_text: is told each piece of `Response.text`, in order; of a reply that fails, what came of it before.
                None: nobody listens, and nothing is asked to stream.

        Raises CallFailed: if it failed; `unsent` only if it provably cost nothing.
        """
        ...


def streaming(model: Model) -> StreamingModel | None:
    """Return a model as one that streams; None if its `complete` takes no `on_text`, and so tells nothing early."""
    return cast("StreamingModel", model) if takes(model.complete, "on_text") else None


async def completed(model: Model, request: Request, on_text: OnPiece | None) -> Response:
    """Send a request once, and return its reply; `on_text` is told the pieces of its text, if the model streams.

    Raises CallFailed: as `Model.complete` does.
    """
    streams = None if on_text is None else streaming(model)
    if streams is not None:
        return await streams.complete(request, on_text)
    return await model.complete(request)
