"""Redaction: the journal as it is stored, without the fields that are to be kept nowhere and without what was said.

What agents say besides fields may tell of anything that they have read. So of messages, of what tools are given and
answer, and of why replies were refused, nothing is stored either. The run itself keeps what is true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace
from pydantic_core import to_json

from ..define.states import NONE_OF_THESE
from ..errors import StoreError
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..kernel.reasons import Refusal
from ..kernel.requests import AskHuman, Request, RunPart, UseTool
from ..kernel.step import step
from ..kernel.tree import Level, levels
from ..messages import REDACTED, Message, ToolCall
from .head import head_of


class Redaction:
    """A journal as it is stored, folded beside the run that it is of.

    Args:
        fields: the names of the fields that are redacted.
        now: where the run stood when it was stored last; None: nothing is stored.
    """

    def __init__(self, compiled: CompiledMachine, fields: frozenset[str], now: Configuration | None = None) -> None:
        self._compiled, self._fields, self._now = compiled, fields, now
        self._ahead = now
        """Where it will have stood once what was last asked for is stored: a fold costs as much as the run's own."""

    def stored(self, new: Sequence[Input], run: Configuration) -> tuple[Input, ...]:
        """Return inputs as they are stored.

        Args:
            new: those after what is stored.
            run: where they lead.

        Raises StoreError: if what is stored would lead elsewhere.
        """
        kept, now = self._next(new)
        self._ahead = now
        if _place(self._compiled, now) != _place(self._compiled, run):
            fields = ", ".join(sorted(self._fields))
            raise StoreError(
                f"run {run.run_id!r} would be folded to another place without {fields}: something decides by what is "
                "redacted, and nothing was stored. Leave it out of redact=, or keep all under a codec"
            )
        return kept

    def has_stored(self) -> None:
        """Note that what was last asked for is stored."""
        self._now = self._ahead

    def _next(self, new: Sequence[Input]) -> tuple[tuple[Input, ...], Configuration]:
        kept, now = list[Input](), self._now
        for event in new:
            kept.append(self._kept(event, now))
            now = step(self._compiled, now, kept[-1]).configuration
        assert now is not None  # a journal has a beginning
        return tuple(kept), now

    def _kept(self, event: Input, now: Configuration | None) -> Input:
        """Return an input as it is stored.

        Args:
            now: where what is stored stands before it.
        """
        if isinstance(event, inputs.Started):
            context = self._without(event.context, self._fields)
            return replace(event, context=context, messages=tuple(map(_message, event.messages)))
        if now is None or not isinstance(event, inputs.Replied | inputs.Asked | inputs.Answered):
            return event
        level = levels(self._compiled, now, event.path)[-1]
        if isinstance(event, inputs.Replied):
            return self._reply(event, level)
        if isinstance(event, inputs.Asked):
            return replace(event, requests=tuple(_request(each, level) for each in event.requests))
        return event if _is_humans(event, level) else replace(event, value=_said(event.value))

    def _reply(self, event: inputs.Replied, level: Level) -> inputs.Replied:
        definition = level.compiled.definition
        fields = definition.context.__pydantic_fields__
        # of the run's own context; a machine inside it is given none of these fields
        changes = self._without(event.changes, self._fields if not event.path else frozenset())
        handoffs = {None, NONE_OF_THESE, *(handoff.name for handoff in definition.handoffs)}
        return replace(
            event,
            handoff=event.handoff if event.handoff in handoffs else REDACTED,
            changes={name if name in fields else REDACTED: value for name, value in changes.items()},
            messages=tuple(map(_message, event.messages)),
            refusal=None if event.refusal is None else Refusal(event.refusal.reason, REDACTED),
        )

    def _without(self, values: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
        return {name: _said(value) if name in fields else value for name, value in values.items()}


def _place(compiled: CompiledMachine, now: Configuration) -> tuple[object, ...]:
    """Return all that decides how a run goes on, but for what it holds."""
    return head_of(compiled, now), now.ledger, due(now), now.visits, now.landing, now.usage


def _said(value: object) -> object:
    """Return what is stored of a value that may hold anything: whether it is true, or none, and no more."""
    return value if value is None or isinstance(value, bool) else REDACTED


def _message(said: Message) -> Message:
    content, fields = REDACTED, said.fields
    if fields is not UNSET:
        content = to_json(dict.fromkeys(fields, REDACTED)).decode()
    calls = tuple(ToolCall(id=REDACTED, name=REDACTED, arguments="{}") for _ in said.tool_calls)
    # the mark of a summary is made of what it tells of
    return replace(said, content=content, tool_calls=calls, until=UNSET)


def _request(request: Request, level: Level) -> Request:
    spec = level.compiled.states[level.now.state].spec
    if isinstance(request, UseTool):
        name = request.name if request.name in {tool.name for tool in spec.tools} else REDACTED
        return UseTool(name=name, arguments={REDACTED: REDACTED} if request.arguments else {})
    if isinstance(request, RunPart):  # of one that is declared, all that it is given are fields
        is_declared = request.part in {part.name for part in spec.parts}
        return request if is_declared else RunPart(part=REDACTED)
    return request if spec.kind == "human" else AskHuman(question=REDACTED)


def _is_humans(event: inputs.Answered, level: Level) -> bool:
    """Return whether an input holds fields that a human has filled in."""
    visit = level.now.visit
    ask = None if visit is None else visit.asks.get(event.ask)
    if ask is None or not isinstance(ask.request, AskHuman):
        return False
    return level.compiled.states[level.now.state].spec.kind == "human"
