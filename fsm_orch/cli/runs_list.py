"""The table of runs that `fsm-orch runs list` prints: where each stands, and who drives it or what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import asdict
from rich.console import Console
from rich.text import Text

from ..store.values import Head, Listed
from .moments import moment, span
from .show import columns, safe

_DIGEST = 8
"""How many characters of a digest, or of a worker's name, tell it from others."""
_NUMBERS = ("hops", "tokens", "age", "stored")
_STYLES = {"running": "green", "waiting": "yellow", "finished": "dim"}


def show_runs(out: Console, runs: Sequence[Listed], now_s: float) -> None:
    """Print a line for each run."""
    table = columns()
    table.add_column("run", no_wrap=True)
    for heading in ("machine", "state", "status", *_NUMBERS):
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=True)
    table.add_column("who")
    for run in runs:
        head = run.head
        table.add_row(
            Text(safe(run.run_id), style="bold"),
            run.digest[:_DIGEST],
            safe(head.state),
            Text(head.status, style=_STYLES[head.status]),
            f"{head.hops}",
            f"{head.tokens:,}",
            span(now_s - run.began_at),
            f"{span(now_s - run.stored_at)} ago",
            standing(run, now_s),
        )
    out.print(table)


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
    row = asdict(run)
    return {"run_id": row.pop("run_id"), **asdict(row.pop("head")), **row}
