"""The path of a run, shown as it happens: a line for each hop, the answer as it is written, and the result."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable

from rich.console import Console
from rich.status import Status
from rich.text import Text

from ..define.changes import shown
from ..define.context import Context
from ..define.definition import Definition
from ..define.wording import number_of
from ..kernel.records import (
    AttemptFailed,
    CallDenied,
    CallReserved,
    GatesSeen,
    GuardRaised,
    HandedOff,
    Landed,
    Record,
    Refused,
    Stamp,
    VisitStarted,
)
from ..run.delta import TextDelta
from ..run.result import RunResult
from .answer import LiveAnswer
from .show import hanging, safe

_LANDING = "landing"
_INSIDE = "· "
"""Stands before what happens in a machine that runs inside another, once for each level."""


class PathWriter:
    """A writer of the path of a run, line by line.

    Args:
        out: where to write.
        definition: of the machine; its names set the width of the columns.
        is_alive: show which agent is at work now, and the answer as it is written; only for a terminal that nothing
            else writes to.
    """

    def __init__(self, out: Console, definition: Definition, *, is_alive: bool) -> None:
        self._out = out
        self._definition = definition
        self.is_alive = is_alive
        self._answer = LiveAnswer(out)
        self._state_width = max(map(len, (*definition.states, *definition.finals)))
        self._handoff_width = max(len(name) for name in (_LANDING, *(h.name for h in definition.handoffs)))

    async def follow(self, records: AsyncIterable[Record | TextDelta]) -> None:
        """Write a line for each record that shows where the run goes, until there are no more."""
        self._out.print(Text(self._definition.name, style="bold").append(f"  {safe(self._definition.doc)}", "dim"))
        self._out.print()
        if not self.is_alive:
            async for record in records:
                if not isinstance(record, TextDelta):
                    self._write(record)
            return
        with self._out.status(self._at_work(self._definition.initial.name)) as status:
            async for record in records:
                if isinstance(record, TextDelta):
                    status.update(self._answer.add(record))
                else:
                    if self._answer.is_ended_by(record):
                        status.update("")
                        if withdrawn := self._answer.end(record):
                            self._aside(record.stamp, withdrawn, "dim strike")
                    self._write(record)
                    self._update(status, record)

    def write(self, records: Iterable[Record]) -> None:
        """Write a line for each record that shows where a run has gone."""
        for record in records:
            self._write(record)

    def _update(self, status: Status, record: Record) -> None:
        match record:
            case VisitStarted(stamp=stamp):
                status.update(self._at_work(stamp.state))
            case CallReserved(stamp=stamp, call=call, model=model):
                status.update(self._at_work(stamp.state, f"is waiting for {model or 'its model'} (call {call})"))

    def _at_work(self, state: str, doing: str = "is at work") -> Text:
        return Text(state, style="bold").append(f" {doing}", style="not bold dim")

    def _write(self, record: Record) -> None:
        match record:
            case HandedOff(source=source, handoff=handoff, target=target):
                self._hop(record.stamp, source, handoff, target, style="green")
            case Landed(source=source, target=target):
                self._hop(record.stamp, source, _LANDING, target, style="yellow")
            case Refused(detail=detail, is_repaired=is_repaired):
                self._aside(record.stamp, f"refused{', asked again' if is_repaired else ''}: {detail}")
            case AttemptFailed(reason=reason, detail=detail, is_retried=is_retried):
                self._aside(record.stamp, f"failed{', tried again' if is_retried else ''}: {detail or reason}")
            case GuardRaised(handoff=handoff, detail=detail):
                self._aside(record.stamp, f"the guard of {handoff} raised: {detail}")
            case CallDenied(call=call, reason=reason):
                self._aside(record.stamp, f"call {call} was not sent: {reason}")
            case GatesSeen(shut=shut):
                self._aside(record.stamp, f"shut now: {', '.join(shut) or 'nothing'}")

    def _hop(self, stamp: Stamp, source: str, handoff: str, target: str, *, style: str) -> None:
        line = Text(f"{stamp.hops:>3}  {_INSIDE * len(stamp.path)}", style="dim")
        line.append(f"{source:<{self._state_width}}  ", style="not dim")
        line.append(f"{handoff:<{self._handoff_width}} → ", style=f"not dim {style}")
        line.append(f"{target:<{self._state_width}}", style="not dim bold")
        line.append(f"  {stamp.remaining:>7,} tokens left", style="dim")
        self._out.print(line, no_wrap=True, overflow="ignore", crop=False)

    def _aside(self, stamp: Stamp, note: str, style: str = "dim") -> None:
        self._out.print(
            hanging(self._out, f"     {_INSIDE * len(stamp.path)}{stamp.state:<{self._state_width}}  ", note, style)
        )


def show_result(out: Console, before: Context, result: RunResult[Context], tokens: int) -> None:
    """Write where a run ended and why, the fields of its context, and what it used.

    Args:
        out: where to write.
        before: the initial context; fields that the run changed stand out.
        result: the run.
        tokens: its limit of tokens.
    """
    out.print()
    out.print(_end(result))
    out.print()
    width = max(map(len, type(before).__pydantic_fields__))
    for name, value in shown(result.context).items():
        if value is not None:
            style = "dim" if getattr(result.context, name) == getattr(before, name) else "bold"
            out.print(hanging(out, f"  {name:<{width}}  ", str(value), style))
    out.print()
    out.print(Text(_used(result, tokens), style="dim"))


def _end(result: RunResult[Context]) -> Text:
    if result.landing is None:
        return Text("Ended in ").append(result.state.name, style="bold green")
    line = Text("Landed in ").append(result.state.name, style="bold yellow").append(f" ({result.landing.reason})")
    why = "; ".join(filter(None, [result.landing.detail, *result.closed]))
    line.append(f": {safe(why)}" if why else "")
    return line.append(f"; used before: {safe(result.used_before)}" if result.used_before else "")


def _used(result: RunResult[Context], tokens: int) -> str:
    usage = result.usage
    cost = "cost unknown" if result.cost_usd is None else f"${result.cost_usd:f}"
    return (
        f"{result.charged_tokens:,} of {tokens:,} tokens ({usage.input_tokens:,} in, {usage.output_tokens:,} out), "
        f"{number_of(usage.requests, 'call')}, {cost}, {result.seconds:.2f} s"
    )
