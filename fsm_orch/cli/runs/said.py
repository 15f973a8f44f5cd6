"""What the inputs of a journal say, each in a line; no machine is needed for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_json

from ...define.wording import number_of
from ...kernel import inputs
from ...kernel.inputs import Input
from ...kernel.requests import AskHuman, Request, RunPart, UseTool
from ...run.result import cut
from ..moments import until


def said(event: Input) -> str:
    """Return what an input says, cut short if it is long."""
    return cut(" ".join(_said(event).split()))


def _said(event: Input) -> str:
    match event:
        case inputs.Started(state=state, context=context, shut=shut):
            return f"{f'in {state}: ' if state else ''}{_json(context)}{f'; {_shut(shut)}' if shut else ''}"
        case inputs.CallReserved(call=call, input_tokens=sent, output_tokens=most, model=model):
            return f"call {call}{f' of {model}' if model else ''}: at most {sent:,} tokens in, {most:,} out"
        case inputs.CallSettled(call=call, usage=None):
            return f"call {call}: usage unknown, charged in full"
        case inputs.CallSettled(call=call, usage=usage) if usage is not None:
            return f"call {call}: {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
        case inputs.CallReleased(call=call):
            return f"call {call} was not sent"
        case inputs.Overspent(source=source, call=call, tokens=tokens):
            return f"call {call} of {source}: {tokens:,} tokens beyond what it had reserved"
        case inputs.Replied():
            return _replied(event)
        case inputs.Failed(reason=reason, detail=detail):
            return f"{reason}: {detail}" if detail else reason
        case inputs.Asked(requests=requests, expires_at=expires_at):
            return "; ".join(map(_wanted, requests)) + until(expires_at)
        case inputs.Answered(ask=ask, ok=ok, value=value, who=who):
            by = f", by {who}" if who else ""
            return f"request {ask}{by}{'' if ok else ', failed'}: {value if isinstance(value, str) else _json(value)}"
        case inputs.GatesSeen(shut=shut):
            return _shut(shut)
        case inputs.Cancelled(detail=detail):
            return detail
    return ""


def _shut(places: Sequence[str]) -> str:
    return f"shut: {', '.join(places) or 'nothing'}"


def _replied(event: inputs.Replied) -> str:
    if event.refusal is not None:
        return f"refused, {event.refusal.reason}: {event.refusal.detail}"
    messages = [number_of(len(event.messages), "message")] if event.messages else []
    return "; ".join([event.handoff or "", *([_json(event.changes)] if event.changes else []), *messages]).lstrip("; ")


def _wanted(request: Request) -> str:
    match request:
        case UseTool(name=name, arguments=arguments):
            return f"use {name}{_given(arguments)}"
        case RunPart(part=part, context=context):
            return f"run {part}{_given(context)}"
        case AskHuman(question=question):
            return f"ask a human: {question}"


def _given(values: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={_json(value)}' for name, value in values.items())})"


def _json(value: Any) -> str:
    return to_json(value, fallback=str).decode()
