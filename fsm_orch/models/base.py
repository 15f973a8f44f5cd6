"""The port of models: what an adapter takes, gives back and may raise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from ..amounts import Price, Usage
from ..messages import Message

FinishReason = Literal["stop", "length", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to a model."""

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None = None
    """What the reply must match, in the dialect of `agents.decision`; None: free text."""
    max_output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back."""

    text: str
    usage: Usage | None
    """What it used; None if the provider gave no counts that can be believed."""
    finish: FinishReason = "stop"


class Model(Protocol):
    """A model, as adapters provide it. One call is one request: no retries, no redirects."""

    @property
    def name(self) -> str:
        """`provider:model`."""
        ...

    @property
    def price(self) -> Price | None:
        """What tokens cost; None if that is not known."""
        ...

    async def count(self, request: Request) -> int:
        """Give an upper bound of the request's input tokens; costs nothing.

        Raises CallFailed: if the request cannot be counted.
        """
        ...

    async def complete(self, request: Request) -> Response:
        """Send the request once.

        Raises CallFailed: if it failed; `unsent` only if it provably cost nothing.
        """
        ...
