"""What the chats of a service have in common: which field takes what is said, which holds the answer, how a run is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..define.changes import shown
from ..define.context import field_refs, given_fields
from ..define.definition import Definition
from ..errors import ContextError, StartError
from ..messages import Message
from .caller import Caller
from .events import EventStream
from .front import Asked, Front
from .telling import Telling, told


@dataclass(frozen=True, kw_only=True)
class Chats:
    """What the chats of a service have in common."""

    front: Front
    text: str
    """The field that takes what a user says."""
    answer: str
    """The field that holds the answer."""
    heartbeat_s: float
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
        messages: tuple[Message, ...] = (),
        thread: str | None = None,
    ) -> Asked:
        """Return the run that a message asks for.

        Args:
            text: what the user says.
            more: other fields of the context, of which those are taken that a caller may give.
        """
        context = self.front.runner.definition.context
        others = {name: value for name, value in more.items() if name in given_fields(context)} if isinstance(more, Mapping) else {}
        return Asked(
            context=context.model_validate({**others, self.text: text}, by_alias=False, by_name=True),
            messages=messages,
            thread=thread,
            tenant=caller.tenant,
            waits=self.waits,
            ends_alone=self.ends_alone,
        )

    def stream(self, run_id: str, telling: Telling, *, after: int = 0, headers: Mapping[str, str] | None = None) -> EventStream:
        """Return the answer that tells a run while it is under way."""
        return EventStream(
            told(self.front, run_id, telling, after=after, heartbeat_s=self.heartbeat_s), dict(headers or {})
        )


def field_of(definition: Definition, given: object, name: str, *, is_given: bool) -> str:
    """Return the name of a field that an application names.

    Args:
        name: of the argument.
        is_given: whether a caller may set it.

    Raises StartError: if it is none of the machine's.
    Raises TypeError: if it is no field, such as a text.
    """
    try:
        refs = field_refs(given)
    except ContextError as error:
        raise TypeError(f"{name}= takes a field: {error}") from None
    context = definition.context
    if len(refs) != 1 or not issubclass(context, refs[0].owner):
        raise StartError(f"{name}= takes one field of {context.__name__}, on which {definition.name} runs: {given!r} is none")
    if is_given and refs[0].name not in given_fields(context):
        raise StartError(f"{name}= takes a field that a caller may give: {refs[0]!r} has a default and is not marked Given")
    return refs[0].name


def only(field: str) -> Callable[[Any], Any]:
    """Return what shows of a context nothing but one field."""
    return lambda context: {field: shown(context)[field]}
