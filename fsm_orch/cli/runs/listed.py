"""The table of runs that `fsm-orch runs list` prints: where each stands, and who drives it or what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import to_builtins
from rich.console import Console
from rich.text import Text

from ...store.values import Head, Listed
from ..moments import moment, span
from ..show import columns, hanging, name_of

_DIGEST = 8
"""How many characters of a digest, or of a worker's name, tell it from others."""
_NUMBERS = ("hops", "tokens", "age")
_LAST = ("stored", "who")
_WIDE = 120
"""From so many columns on a run is one line."""
_UNBOUND = 1_000
"""Columns in which no id is cut; a terminal wraps what it has no room for."""
_STYLES = {"running": "green", "waiting": "yellow", "finished": "dim"}


def show_runs(out: Console, runs: Sequence[Listed], now_s: float, names: Mapping[str, str]) -> None:
    """Print a line for each run, two where the terminal is narrow: no id is ever cut, for it is copied.

    Args:
        names: of machines, by their digests; of others a digest is shown.
    """
    table = columns()
    is_wide = out.width >= _WIDE
    for heading in ("run", *(["machine"] if is_wide else []), "state", "status", *_NUMBERS, *_LAST[: 2 * is_wide]):
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=heading != "who")
    for each in runs:
        table.add_row(*_cells(each, now_s, _machine(each, names) if is_wide else None))
    if is_wide:
        out.print(table)
        return
    lines = out.render_lines(table, out.options.update(width=_UNBOUND), pad=False)
    top, *rows = [Text.assemble(*((part.text, part.style or "") for part in parts)) for parts in lines]
    out.print(top, soft_wrap=True)
    for run, row in zip(runs, rows, strict=True):
        out.print(row, soft_wrap=True)
        out.print(hanging(out, "    ", _more(run, now_s, _machine(run, names)), "dim"))


def _machine(run: Listed, names: Mapping[str, str]) -> str:
    return names.get(run.digest, run.digest[:_DIGEST])


def _cells(run: Listed, now_s: float, machine: str | None) -> Sequence[str | Text]:
    head = run.head
    status = Text(head.status, style=_STYLES[head.status])
    numbers = (f"{head.hops}", f"{head.tokens:,}", span(now_s - run.began_at))
    named = [] if machine is None else [machine]
    last = [] if machine is None else [f"{span(now_s - run.stored_at)} ago", "; ".join(_said(run, now_s))]
    return [Text(name_of(run.run_id), style="bold"), *named, name_of(head.state), status, *numbers, *last]


def _more(run: Listed, now_s: float, machine: str) -> str:
    told = f"machine {machine}, stored {span(now_s - run.stored_at)} ago"
    return "; ".join([*_said(run, now_s), told])


def _said(run: Listed, now_s: float) -> Iterator[str]:
    if who := standing(run, now_s):
        yield who
    if run.origin is not None:
        yield fork_of(run)


def fork_of(run: Listed) -> str:
    """Return what a fork was made of; empty if a run is none."""
    return "" if run.origin is None else f"fork of {name_of(run.origin.parent)}, cut after input {run.origin.at}"


def standing(run: Listed, now_s: float) -> str:
    """Return who drives a run, or what it waits for and until when; empty if it has finished."""
    if run.head.status == "finished":
        return ""
    asked = ", asked to land" if run.is_cancel_asked else ""
    if run.head.status == "waiting":
        return f"a human answers{_until(run.head, now_s)}{asked}"
    return f"{f'worker {str(run.owner)[:_DIGEST]}' if run.is_driven else 'nobody drives it'}{asked}"


def _until(head: Head, now_s: float) -> str:
    if head.expires_at is None:
        return ""
    left = head.expires_at - now_s
    return f" until {moment(head.expires_at)} ({f'in {span(left)}' if left > 0 else f'{span(-left)} ago'})"


def as_json(run: Listed) -> dict[str, Any]:
    """Return a run as JSON, the fields of its head among its own."""
    row = to_builtins(run)
    return {"run_id": row.pop("run_id"), **row.pop("head"), **row}
