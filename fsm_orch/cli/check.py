"""`fsm-orch check`: what is known of every run of a machine before any run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..definition import Definition
from ..errors import DefinitionError
from ..proof.bounds import RunBounds, VisitBounds, bounds
from . import load
from .show import complaints, console, hanging, place, safe, show_findings


def check(
    target: load.Target,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Check a machine, or every machine of a module, and bound its runs.

    A machine that cannot keep its promise does not build: its findings are shown with the lines they are about, and
    the exit code is 1. The import ends at the first such machine, so those below it are not seen yet. One that builds
    is shown with the bounds of its runs.
    """
    with complaints():
        try:
            definitions = [machine.definition for machine in load.machines(target)]
        except DefinitionError as error:
            _refuse(error, as_json=as_json)
            raise typer.Exit(1) from None
    if as_json:
        _print_json([_as_json(definition) for definition in definitions])
    else:
        out = console()
        for definition in definitions:
            _show(out, definition, bounds(definition))


def _refuse(error: DefinitionError, *, as_json: bool) -> None:
    if as_json:
        findings = [asdict(finding) for finding in error.findings]
        _print_json([{"machine": error.subject, "findings": findings, "bounds": None}])
    else:
        show_findings(console(), error)


def _print_json(machines: list[dict[str, Any]]) -> None:
    typer.echo(orjson.dumps({"machines": machines}))


def _as_json(definition: Definition) -> dict[str, Any]:
    bound = bounds(definition)
    return {
        "machine": definition.name,
        "where": definition.where,
        "digest": definition.digest,
        "findings": [],
        "bounds": {
            "limits": definition.limits.model_dump(mode="json"),
            "states": [asdict(state) for state in bound.states],
            "worst_case": bound.worst_case,
            "dearest": dict(bound.dearest),
            "verdict": bound.verdict,
        },
    }


def _show(out: Console, definition: Definition, bound: RunBounds) -> None:
    name = Text(definition.name, style="bold").append(" builds", style="bold green")
    out.print(name.append(f"  {place(definition.where)}, digest {definition.digest[:12]}", style="not bold dim"))
    out.print(Text(safe(definition.doc), style="dim"))
    out.print()
    out.print(_states(bound, definition.initial.name))
    out.print()
    for label, text in _lines(bound):
        out.print(hanging(out, f"  {label:<11}", text))
    out.print()


def _states(bound: RunBounds, initial: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("  state")
    table.add_column("agent", style="dim")
    for heading in ("first call", "tokens of a visit", "visits", "seconds"):
        table.add_column(heading, justify="right")
    for state in bound.states:
        table.add_row(*_row(state, is_initial=state.state == initial))
    return table


def _row(state: VisitBounds, *, is_initial: bool) -> tuple[str, ...]:
    return (
        f"{'*' if is_initial else ' '} {state.state}",
        state.agent,
        f"{state.grant:,}" if state.calls else "-",
        f"{state.calls} x {state.grant:,} = {state.worst_case:,}" if state.calls else "-",
        str(state.max_visits),
        f"{state.timeout_s:g}",
    )


def _lines(bound: RunBounds) -> list[tuple[str, str]]:
    limits = bound.limits
    cost = "not limited" if limits.cost_usd is None else f"at most ${limits.cost_usd}, kept by the ledger"
    return [
        ("hops", f"at most {limits.hops}, so at most {limits.hops} visits; the last hop is kept for landing"),
        ("tokens", f"at most {limits.tokens:,}, kept by the ledger"),
        ("worst case", f"{_sum(bound)}: the dearest visits that the limits of visits and hops allow"),
        ("verdict", _verdict(bound)),
        ("cost", cost),
        ("deadline", f"{limits.deadline_s:g} s, plus one cancellation"),
        (
            "assuming",
            "providers keep output caps and report honest usage; sync functions, which cannot be cancelled, return",
        ),
    ]


def _sum(bound: RunBounds) -> str:
    costs = {state.state: state.worst_case for state in bound.states}
    terms = " + ".join(f"{visits} x {costs[state]:,} ({state})" for state, visits in bound.dearest)
    return f"{terms} = {bound.worst_case:,} tokens" if terms else "0 tokens"


def _verdict(bound: RunBounds) -> str:
    if bound.verdict == "slack":
        return "slack: the worst case is within the limit, so no run is ever landed for tokens"
    beyond = bound.worst_case - bound.limits.tokens
    return f"guarded: the worst case is {beyond:,} tokens above the limit, so the ledger may land a run"
