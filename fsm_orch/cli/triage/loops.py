"""`fsm-orch triage loops`: what goes round in circles."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ...define.wording import number_of
from ...observe.triage import loops as circling
from ...observe.triage.loops import Circle
from ..moments import span
from ..outcome import AsJson
from ..show import console, name_of, place
from .source import (
    Codec,
    Logs,
    Machines,
    Since,
    Source,
    Store,
    Top,
    print_json,
    show_more,
    show_read,
    some,
    source,
)


def loops(
    logs: Logs = None,
    *,
    store: Store = None,
    codec: Codec = None,
    machine: Machines = None,
    since: Since = None,
    top: Top = 10,
    as_json: AsJson = False,
) -> None:
    """Show what goes round in circles: which handoffs, how many runs, what it takes, and whether it goes on now.

    A circle that a machine declares is bounded: no run goes round more often than its `max_visits` and `hops` allow.
    With --machine these are marked, and come last.

    Exit codes: 0 shown, whatever it is; 2 nothing could be read; 130 interrupted.
    """
    with source(logs, store, codec, machine, since) as read:
        found = circling.loops(read.runs(), read.known, now_s=read.now_s)
        some(read)
        if as_json:
            print_json(found, read)
            return
        out = console()
        share = f" ({100 * found.looping / found.runs:.1f} %)" if found.runs else ""
        to_itself = number_of(found.self_handoffs, "run") if found.self_handoffs else "none"
        count = f"{found.looping:,} of {number_of(found.runs, 'run')}"
        head = f"{count} went round in a circle{share}; self-handoffs: {to_itself}"
        out.print(Text(head, style="bold"), soft_wrap=True)
        for circle in found.circles[:top]:
            _show(out, circle, found.runs, read)
        show_more(out, len(found.circles), top)
        show_read(out, read)


def _show(out: Console, circle: Circle, runs: int, read: Source) -> None:
    way = " ".join(f"-{edge.handoff}-> {edge.target}" for edge in circle.edges)
    style = "green" if circle.is_bounded else "red"
    out.print()
    out.print(Text(f"  {name_of(circle.edges[0].source)} {name_of(way)}", style=f"bold {style}"), soft_wrap=True)
    laps = number_of(circle.most_laps, "lap")
    lines = [
        f"{number_of(circle.runs, 'run')} ({100 * circle.runs / runs:.1f} %), up to {laps}, "
        f"{circle.tokens:,} tokens a run, {circle.landed:,} landed",
        _bound(circle),
        _going_on(circle, read.now_s),
        f"e.g. {name_of(circle.example)}: see what it passed on by fsm-orch triage context",
    ]
    lines += [f"{name_of(edge.handoff)}: {name_of(place(edge.where))}" for edge in circle.edges if edge.where]
    for line in lines:
        out.print(Text(f"      {line}", style="not dim"), soft_wrap=True)


def _bound(circle: Circle) -> str:
    if circle.bound is None:
        return "not known to be bounded: --machine MODULE tells, if the module has this version of the machine"
    most = number_of(circle.bound, "lap")
    if circle.is_bounded:
        return f"bounded: its machine declares it, and lets no run go round more than {most}"
    return f"not bounded by this version of its machine, which allows {most}"


def _going_on(circle: Circle, now_s: float) -> str:
    if circle.last_at is None:
        return "nobody knows when: the lines have no timestamp"
    ago = f"the last one {span(now_s - circle.last_at)} ago"
    if circle.recent:
        return f"goes on now: {number_of(circle.recent, 'run')} in the last {span(circling.NOW_S)}, {ago}"
    return f"not now: {ago}"
