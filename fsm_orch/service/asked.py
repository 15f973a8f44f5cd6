"""A run that a request asks for, and whether another request has asked for the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ..define.changes import journaled
from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..kernel.inputs import Started
from ..messages import REDACTED, Message
from .problems import misfit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A run that a request asks for."""

    context: Context
    messages: tuple[Message, ...] = ()
    thread: str | None = None
    """Its conversation, as the store calls it."""
    tenant: str | None = None
    trace_parent: str | None = field(default=None, compare=False)
    """The span of its client, as the header `traceparent` of W3C trace context writes it."""
    waits: bool = field(default=False, compare=False)
    """Whether to wait for its turn of the conversation."""
    ends_alone: bool = field(default=True, compare=False)
    """Whether it is cancelled when nobody attends to it any more."""
    is_streamed: bool = field(default=False, compare=False)
    """Whether its client follows it from the beginning."""
    is_queued: bool = field(default=False, compare=False)
    """Whether it is stored before anything else, since its client is told that it is accepted, and goes."""

    def is_of(self, first: Started) -> bool:
        """Return whether a stored run was begun by the same request."""
        told = journaled(self.context, self._told())
        context = all(first.context.get(name) in (value, REDACTED) for name, value in told.items())
        messages = self.thread is not None or _same(first.messages, self.messages)
        return context and messages and (first.thread_id, first.tenant) == (self.thread, self.tenant)

    def _told(self) -> set[str]:
        """Return the fields that say what was asked for: what a thread has carried on, or a factory made, does not."""
        names, fields = self.context.model_fields_set, type(self.context).__pydantic_fields__
        plain = {name for name in given_fields(type(self.context)) if fields[name].default_factory is None}
        return names if self.thread is not None else names | plain


def context_of(definition: Definition, given: Mapping[str, Any]) -> Context:
    """Return the context that a request gives to a machine.

    Raises Problem: if it does not fit.
    """
    try:
        return definition.context.model_validate(given, by_alias=False, by_name=True)
    except ValidationError as error:
        raise misfit(error.errors(), "body", "context") from None


def _same(kept: tuple[Message, ...], told: tuple[Message, ...]) -> bool:
    return len(kept) == len(told) and all(
        one.role == other.role and one.content in (other.content, REDACTED)
        for one, other in zip(kept, told, strict=True)
    )
