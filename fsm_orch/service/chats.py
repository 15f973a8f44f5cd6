"""What the chats of a service have in common: which fields take what is said and hold the answer; how runs begin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..define.changes import shown
from ..define.context import FieldRef, given_fields
from ..define.definition import Definition
from ..define.wording import kind_of
from ..errors import StartError
from ..messages import Message
from .asked import Asked, context_of
from .beginning import Beginning
from .caller import Caller
from .front import Front
from .streams import Streams


@dataclass(frozen=True, kw_only=True)
class Chats:
    """What the chats of a service have in common."""

    definition: Definition
    beginning: Beginning
    front: Front
    streams: Streams
    text: str
    """The field that takes what a user says."""
    answer: str
    """The field that holds the answer."""
    waits: bool
    """Whether a request waits for its turn of a conversation."""
    ends_alone: bool
    """Whether a run is cancelled when its client is gone."""

    def asked(
        self,
        text: str,
        more: object,
        caller: Caller,
        *,
        is_streamed: bool,
        messages: tuple[Message, ...] = (),
        thread: str | None = None,
    ) -> Asked:
        """Return the run that a message asks for.

        Args:
            text: what the user says.
            more: other fields of the context, of which those are taken that a caller may give.
            is_streamed: whether the client is told the run while it is under way.
            messages: what was said before, where no thread tells it.
            thread: the conversation, as the store calls it.

        Raises Problem: if they do not fit.
        """
        others = more if isinstance(more, Mapping) else {}
        given = {name: others[name] for name in given_fields(self.definition.context) if name in others}
        return Asked(
            context=context_of(self.definition, {**given, self.text: text}),
            messages=messages,
            thread=thread,
            tenant=caller.tenant,
            waits=self.waits,
            ends_alone=self.ends_alone,
            is_streamed=is_streamed,
        )


def chats_of(
    beginning: Beginning,
    front: Front,
    streams: Streams,
    text: object,
    answer: object,
    *,
    waits: bool,
    ends_alone: bool,
) -> Chats:
    """Return the chats of a service.

    Args:
        text: the field that takes what a user says, as an application names it.
        answer: likewise, the field that holds the answer.

    Raises StartError: if one is no field of the machine, or the first is not for callers to give.
    Raises TypeError: if one is no field at all, such as a text.
    """
    definition = front.driving.runner.definition
    said, given = _field_of(definition, text, "text"), given_fields(definition.context)
    if said not in given:
        raise StartError(
            f"text= takes a field that a caller may give, {' or '.join(sorted(given))}: {text!r} has a default and is "
            "not marked Given"
        )
    return Chats(
        definition=definition,
        beginning=beginning,
        front=front,
        streams=streams,
        text=said,
        answer=_field_of(definition, answer, "answer"),
        waits=waits,
        ends_alone=ends_alone,
    )


def _field_of(definition: Definition, given: object, name: str) -> str:
    context = definition.context.__name__
    if not isinstance(given, FieldRef):
        raise TypeError(f"{name}= takes a field, not {kind_of(given)}: it is named as an attribute of {context}")
    if not issubclass(definition.context, given.owner):
        raise StartError(f"{name}= takes a field of {context}, on which {definition.name} runs: {given!r} is none")
    return given.name


def only(field: str) -> Callable[[Any], Any]:
    """Return what shows of a context nothing but one field."""
    return lambda context: {field: shown(context)[field]}
