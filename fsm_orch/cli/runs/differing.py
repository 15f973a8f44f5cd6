"""The page that compares two runs: a table of their hops beside each other, and how both ended in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from ...amounts import padded_dollars
from ...run.compared import Difference, HopTaken, Row, Went
from ..show import columns, name_of, safe

_LONGEST = 50
"""The most characters of a value that are shown in a hop."""


def show_difference(out: Console, difference: Difference) -> None:
    """Print in what two runs differ; a hop that is not the same is shown as in a diff, `-` then and `+` now."""
    for sign, style, run in (("-", "red", difference.then), ("+", "green", difference.now)):
        out.print(Text(f"{sign} run {name_of(run.run_id)}", style=style), soft_wrap=True)
    has_cost = bool(difference.then.cost or difference.now.cost)
    table = columns()
    for heading in ("", "#", "state", "handoff", "wrote"):
        table.add_column(heading, overflow="fold")
    for heading in ("tokens", "dollars")[: 1 + has_cost]:
        table.add_column(heading, justify="right", no_wrap=True)
    for place, row in enumerate(difference.rows):
        took = [_took(row, "tokens"), _took(row, "cost")][: 1 + has_cost]
        mark = Text("▶" if place == difference.first else "", style="bold yellow")
        table.add_row(mark, Text(f"{place + 1}", style="dim"), *_cells(row), *took)
    totals = [_change(difference.then, difference.now, name) for name in ("tokens", "cost")][: 1 + has_cost]
    table.add_row("", "", "", "", Text("in all", style="dim"), *totals)
    out.print()
    out.print(table)
    out.print()
    out.print(Text(safe(str(difference)), style="bold"), soft_wrap=True)


def _cells(row: Row) -> tuple[Text, Text, Text]:
    """Return the state, the handoff and the fields of a hop."""
    then, now = row
    either = now or then
    assert either is not None  # it is the hop of one of them at least
    state = Text(either.state) if then and now else _signed(then and then.state, now and now.state)
    if then and now and then.move == now.move:
        return state, Text(_move(now), style="dim"), _written(then.written, now.written)
    written = _written(then.written if then else {}, now.written if now else {})
    return state, _signed(then and _move(then), now and _move(now)), written


def _move(hop: HopTaken) -> str:
    return hop.handoff or f"landing in {hop.target}"


def _written(then: Mapping[str, Any], now: Mapping[str, Any]) -> Text:
    """Return what was written: of a field that holds the same its name alone."""
    lines = [
        Text(name, style="dim")
        if name in then and name in now and then[name] == now[name]
        else _signed(*(f"{name}: {_short(held[name])}" if name in held else None for held in (then, now)))
        for name in dict.fromkeys((*then, *now))
    ]
    return Text("\n").join(lines)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else to_json(value, fallback=str).decode()
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"


def _signed(then: str | None, now: str | None) -> Text:
    """Return what was then above what is now."""
    return Text("\n").join(_lines(then, now))


def _lines(then: str | None, now: str | None) -> Iterator[Text]:
    if then is not None:
        yield Text(f"- {safe(then)}", style="red")
    if now is not None:
        yield Text(f"+ {safe(now)}", style="green")


def _took(row: Row, name: str) -> Text:
    """Return what the visit of a hop was charged."""
    if row.then is None or row.now is None:
        hop = row.then or row.now
        return Text(_amount(getattr(hop, name), name))
    return _change(row.then, row.now, name)


def _change(then: HopTaken | Went, now: HopTaken | Went, name: str) -> Text:
    one, other = getattr(then, name), getattr(now, name)
    if one == other:
        return Text(_amount(other, name), style="dim")
    return Text(f"{_amount(one, name)} → {_amount(other, name)}")


def _amount(amount: int, name: str) -> str:
    if name == "tokens":
        return f"{amount:,}"
    return padded_dollars(amount) if amount else "$0"


def as_json(difference: Difference) -> dict[str, Any]:
    """Return in what two runs differ as JSON."""
    return {
        "then": _ended(difference.then),
        "now": _ended(difference.now),
        "hops": [
            {"is_same": row.is_same, "then": row.then and row.then._asdict(), "now": row.now and row.now._asdict()}
            for row in difference.rows
        ],
        "first": difference.first,
        "fields": difference.fields,
        "is_same_end": difference.is_same_end,
        "said": str(difference),
    }


def _ended(run: Went) -> dict[str, Any]:
    names = ("run_id", "status", "state", "landing", "context", "tokens", "cost")
    return {name: getattr(run, name) for name in names}
