"""The page of what was imported: two numbers first, then the graph, then what is found."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from ..adopt.examine import is_bounded
from ..adopt.graph import Edge, Graph
from ..adopt.worst import Worst
from ..errors import DefinitionError, Finding
from .check import Proved
from .show import columns, hanging, name_of, show_each, show_findings

_LABEL = 16


class Imported(NamedTuple):
    """All that is known of what was imported."""

    graph: Graph
    findings: tuple[Finding, ...]
    worst: Worst
    assumed: tuple[str, ...]
    machine: Proved | DefinitionError
    source: str
    """Of the module of the machine."""

    @property
    def is_proved(self) -> bool:
        """Whether the bounds of the machine speak of all that the graph does."""
        is_sound = isinstance(self.machine, Proved) and self.machine.proof.is_sound()
        return is_sound and is_bounded(self.graph)


def show(out: Console, found: Imported, *, target: str, written: Path | None) -> None:
    """Print what was imported.

    Args:
        found: What is known of it.
        target: How the user named it.
        written: Where the machine was written; None: nowhere.
    """
    graph, machine = found.graph, found.machine
    head = Text(name_of(graph.name), style="bold")
    read = f"  read from {graph.framework}: {_count(len(graph.nodes), 'node')}, {_count(len(graph.edges), 'way')}"
    out.print(head.append(read, style="not bold dim"))
    out.print()
    for label, text in (("as it stands", _standing(graph, found.worst)), ("as a machine", _owned(graph, machine))):
        out.print(hanging(out, f"  {label:<{_LABEL}}", text, "bold"))
    for text in found.assumed:
        out.print(hanging(out, f"  {'assuming':<{_LABEL}}", text))
    out.print()
    _show_graph(out, graph)
    show_each(out, found.findings)
    if isinstance(machine, DefinitionError):
        out.print()
        show_findings(out, machine)
    out.print()
    made = f"fsm-orch import {shlex.quote(target)} --write FILE" if written is None else f"fsm-orch check {written}"
    out.print(
        Text(f"{'the machine' if written is None else f'{written} is yours'}: {made}", style="dim"), soft_wrap=True
    )


def _standing(graph: Graph, worst: Worst) -> str:
    """Return in words what a run can cost where it stands."""
    cap = graph.cap
    if worst.requests is None:
        return f"nothing bounds a run: {worst.unbounded}"
    by = "it ends by itself" if cap.value is None else f"{cap.name}={cap.value:,}; then {cap.then}"
    most, more = ("", " or more") if worst.is_more else ("at most ", "")
    requests = f"{most}{_count(worst.requests, 'request')}{more}"
    if worst.cost_usd is None:
        return f"{requests}, tokens and dollars not bounded ({by})"
    return f"{requests}, ${float(worst.cost_usd):,.2f}{more} a run ({by})"


def _owned(graph: Graph, machine: Proved | DefinitionError) -> str:
    """Return in words what a run of the machine can cost."""
    if isinstance(machine, DefinitionError):
        return "it does not build, as said below"
    proof = machine.proof
    bounds = proof.bounds
    cost = "" if bounds.cost_usd is None else f"${bounds.cost_usd:,.4f} a run, "
    calls, hops, tokens = _count(bounds.calls, "request"), _count(bounds.hops, "hop"), _count(bounds.tokens, "token")
    numbers = f"at most {calls}, {cost}{hops}, {tokens}"
    if graph.outside:
        return f"not proved: {graph.outside[0]}; without them: {numbers}"
    if not is_bounded(graph):
        return f"not proved: work side by side is in no bound; taken one after another: {numbers}"
    return f"{numbers} (proved)" if proof.is_sound() else f"not proved, fsm-orch check says why: {numbers}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _show_graph(out: Console, graph: Graph) -> None:
    table = columns()
    for heading in ("node", "kind", "requests of a visit", "model", "goes to"):
        table.add_column(heading)
    for key, node in graph.nodes.items():
        ways = dict.fromkeys(_to(edge) for edge in graph.leaving(key))
        mark = "*" if key == graph.entry else " "
        calls = "any number" if node.calls is None else str(node.calls)
        table.add_row(f"{mark} {name_of(key)}", node.kind, calls, name_of(node.model or ""), name_of(", ".join(ways)))
    out.print(table)


def _to(edge: Edge) -> str:
    return edge.shown if edge.trust == "declared" else f"{edge.shown} [{edge.trust}]"
