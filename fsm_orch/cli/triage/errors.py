"""`fsm-orch triage errors`: which agents fail, and why, and which runs are landed."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ...define.wording import number_of
from ...observe.triage.faults import Asked, Failing, faults
from ..outcome import AsJson
from ..show import console, name_of
from .source import (
    Codec,
    Logs,
    Machines,
    Since,
    Store,
    Top,
    interval,
    print_json,
    show_more,
    show_read,
    some,
    source,
)

_SAID = {
    "failed": "attempts failed",
    "refused": "replies refused",
    "denied": "calls denied",
    "landed": "runs landed",
}


def errors(
    logs: Logs = None,
    *,
    store: Store = None,
    codec: Codec = None,
    machine: Machines = None,
    since: Since = None,
    top: Top = 10,
    as_json: AsJson = False,
) -> None:
    """Show which agents fail and for what reasons, and from where runs are landed.

    A visit is lost if an attempt that failed, or a reply that was refused, has ended it. First comes the agent whose
    share of these has the highest lower bound. Below stand the models, and how many of their calls brought no answer.

    Exit codes: 0 shown; 2 nothing could be read; 130 interrupted.
    """
    with source(logs, store, codec, machine, since) as read:
        found = faults(read.runs())
        some(read)
        if as_json:
            print_json(found, read)
            return
        out = console()
        whole = found.landed
        told = f"{whole.count:,} of {number_of(whole.of, 'run')} were landed: {interval(whole)}"
        out.print(Text(told if whole.of else "no run has ended", style="bold"))
        for state in found.states[:top]:
            _show(out, state)
        for model in found.models[:top]:
            _show_model(out, model)
        show_more(out, len(found.states), top)
        if read.tally.unfinished:
            some_wait = f"{number_of(read.tally.unfinished, 'run')} without an end may wait for a human"
            out.print(Text(f"\n{some_wait}: fsm-orch runs list --status waiting --store URL"), soft_wrap=True)
        show_read(out, read)


def _show_model(out: Console, model: Asked) -> None:
    lost = f"{model.lost.count:,} of {number_of(model.lost.of, 'call')} brought no answer: {interval(model.lost)}"
    ends = f"; charged in full {model.in_full:,}, released {model.released:,}" if model.lost.count else ""
    out.print(Text(f"\n  {name_of(model.model)}", style="bold"), soft_wrap=True)
    out.print(Text(f"      {lost}{ends}", style="not dim"), soft_wrap=True)


def _show(out: Console, state: Failing) -> None:
    of = f" of {state.machine}" if state.machine else ""
    agent = f" ({state.agent})" if state.agent else ""
    out.print()
    head = Text(f"  {name_of(state.state)}", style="bold").append(name_of(f"{agent}{of}"), style="not bold")
    out.print(head, soft_wrap=True)
    lost = f"{state.lost.count:,} of {number_of(state.visits, 'visit')} lost: {interval(state.lost)}"
    lines = [lost]
    for kind, said in _SAID.items():
        reasons: dict[str, int] = getattr(state, kind)
        if reasons:
            lines.append(f"{said}: " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.items()))
    for line in [*lines, f"e.g. {state.example}"]:
        out.print(Text(f"      {name_of(line)}", style="not dim"), soft_wrap=True)
