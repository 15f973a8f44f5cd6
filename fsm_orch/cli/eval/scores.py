"""The results of `fsm-orch eval`, as a page or as one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TextIO

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...define.definition import Definition
from ...evaluate.picture import Router, draw
from ...evaluate.routes import Probe, Routing, Share
from ..show import columns, hanging, safe
from .curve import Tradeoff

TITLE = "How it routes, and what goes wrong"
"""Of pictures."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The results, and what was measured."""

    definition: Definition
    source: str
    """Where the queries come from."""
    model: str | None
    """The model of agents that name none; None if no model was asked."""
    routing: Routing
    tradeoff: Tradeoff | None
    """What each threshold of an examples agent would do; None if there is none, or the runs do not tell."""
    is_full: bool
    """Whether each run went to its end; False: it was left once it was routed."""
    is_priced: bool
    """Whether the price of every model is known."""
    probes: tuple[Probe, ...]
    texts: tuple[str, ...]
    """The queries, in the order of the routes."""

    @property
    def expected(self) -> tuple[str, ...]:
        """What queries were expected to reach: labels first, in their order, then every other word."""
        return _ordered(self.routing.labels, (route.expected for route in self.routing.routes))

    @property
    def reached(self) -> tuple[str, ...]:
        """Where queries went: labels first, in their order, then all other states, the fallback always among them."""
        others = (route.reached for route in self.routing.routes)
        return _ordered(self.routing.labels, (self.definition.fallback.name, *others))

    @property
    def cost_usd(self) -> Decimal | None:
        """Dollars; None if a price is unknown."""
        return Decimal(sum(route.cost for route in self.routing.routes)) / 1_000_000 if self.is_priced else None

    @property
    def reasons(self) -> dict[str, Counter[str]]:
        """How often runs landed, replies were refused and attempts failed, by reason."""
        routes = self.routing.routes
        return {
            "landings": Counter(route.landing for route in routes if route.landing),
            "refusals": Counter(reason for route in routes for reason in route.refusals),
            "failures": Counter(reason for route in routes for reason in route.failures),
        }

    @property
    def tokens(self) -> dict[str, int]:
        """The number of calls, and the tokens that they reserved and used."""
        routes = self.routing.routes
        return {
            "calls": sum(route.calls for route in routes),
            "reserved": sum(route.reserved for route in routes),
            "used": sum(route.used for route in routes),
        }


def _ordered(labels: tuple[str, ...], names: Iterable[str]) -> tuple[str, ...]:
    return (*labels, *sorted(set(names) - set(labels)))


def picture(scores: Scores, others: Sequence[Scores]) -> str:
    """Draw how machines route, as SVG."""
    rates = scores.routing.rates
    lines = [f"{rates.accuracy.of:,} queries of {safe(scores.source)}, {rates.leak.of:,} of them for nobody here."]
    return draw([_router(each) for each in (scores, *others)], title=TITLE, lines=lines)


def _router(scores: Scores) -> Router:
    found = scores.tradeoff
    name = scores.definition.name
    if found is None:
        return Router(name, scores.routing.rates)
    return Router(name, scores.routing.rates, curve=found.curve, threshold=found.threshold)


def show(out: Console, scores: Scores, others: Sequence[Scores]) -> None:
    """Write the page."""
    routing = scores.routing
    name = Text(scores.definition.name, style="bold")
    name.append(f"  {len(routing.routes):,} queries of {safe(scores.source)}, {_asked(scores)}", "not bold dim")
    out.print(name)
    out.print()
    out.print(_matrix(scores))
    out.print()
    outside = ", ".join(name for name in scores.expected if name not in routing.labels)
    _print_share(out, "accuracy", routing.rates.accuracy, "queries")
    _print_share(out, "misroute", routing.rates.misroute, "in scope")
    _print_share(out, "false fallback", routing.rates.false_fallback, "in scope")
    _print_share(out, "leak", routing.rates.leak, f"out of scope ({safe(outside)})" if outside else "out of scope")
    out.print()
    for label, text in lines_of(scores):
        out.print(hanging(out, f"  {label:<16}", text))
    if scores.probes:
        out.print()
        out.print(_probes(scores.probes))
    if others:
        out.print()
        out.print(_comparison((scores, *others)))
    out.print()


def _asked(scores: Scores) -> str:
    return "no model was asked" if scores.model is None else safe(scores.model)


def _comparison(measured: Iterable[Scores]) -> Table:
    table = columns()
    table.add_column("  machine")
    for heading in ("accuracy", "misroute", "false fallback", "leak", "decision"):
        table.add_column(heading, justify="right")
    for each in measured:
        rates, median = each.routing.rates, _seconds(each.routing.seconds(0.5))
        shares = (rates.accuracy, rates.misroute, rates.false_fallback, rates.leak)
        table.add_row(f"  {safe(each.definition.name)}", *map(_percent, shares), median)
    return table


def _matrix(scores: Scores) -> Table:
    matrix = scores.routing.matrix
    table = columns()
    table.add_column("  expected \\ reached")
    for name in scores.reached:
        table.add_column(safe(name), justify="right")
    table.add_column("right", justify="right")
    for expected in scores.expected:
        counts = (_cell(matrix[expected, reached], is_own=expected == reached) for reached in scores.reached)
        table.add_row(f"  {safe(expected)}", *counts, _percent(scores.routing.right(expected)))
    return table


def _cell(count: int, *, is_own: bool) -> Text:
    return Text(f"{count:,}" if count else "-", style="bold" if is_own else "" if count else "dim")


def _percent(share: Share) -> str:
    return "-" if share.rate is None else f"{100 * share.rate:.1f} %"


def _print_share(out: Console, label: str, share: Share, of_what: str) -> None:
    line = Text(f"  {label:<16}", style="dim").append(f"{_percent(share):>7}", style="not dim bold")
    out.print(line.append(f"  {share.count:,} of {share.of:,} {of_what}", style="not bold dim"))


def lines_of(scores: Scores) -> list[tuple[str, str]]:
    """Return what went wrong, and what it took, each with its label."""
    routing, tokens = scores.routing, scores.tokens
    cost = "unknown" if scores.cost_usd is None else f"${scores.cost_usd:f}"
    ends = Counter(route.ended for route in routing.routes if route.ended)
    left = "each run to its end" if scores.is_full else "runs were left where they were routed, before an agent acted"
    return [
        *([("threshold", _threshold(scores.tradeoff))] if scores.tradeoff else []),
        *((reason, _counts(counts)) for reason, counts in scores.reasons.items()),
        *([("ended", _counts(ends))] if scores.is_full else []),
        ("tokens", f"{tokens['used']:,} used of {tokens['reserved']:,} reserved in {tokens['calls']:,} calls"),
        ("cost", cost),
        ("decision", f"{_seconds(routing.seconds(0.5))} median, {_seconds(routing.seconds(0.95))} 95th percentile"),
        ("counted", left),
    ]


def _threshold(found: Tradeoff) -> str:
    best = found.curve.best()
    return (
        f"{found.threshold:g} of {found.state}; on these queries {best.threshold:g} makes the fewest errors, and is "
        f"right with {_percent(best.rates.accuracy)}"
    )


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) or "none"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.4f} s" if seconds < 0.01 else f"{seconds:.2f} s"


def _probes(probes: Iterable[Probe]) -> Table:
    table = columns()
    for heading in ("  said 'not mine'", "of others' questions", "of its own"):
        table.add_column(heading, justify="left" if heading.startswith(" ") else "right")
    for probe in probes:
        shares = (f"{share.count:,} of {share.of:,}" for share in (probe.foreign, probe.own))
        table.add_row(f"  {probe.label}", *shares)
    return table


def print_json(
    out: TextIO, scores: Scores, others: Sequence[Scores], comparisons: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write the results as one JSON object."""
    beside = {"beside": [_as_json(other) for other in others]} if others else {}
    compared = {"compared": comparisons} if comparisons else {}
    typer.echo(orjson.dumps(_as_json(scores) | beside | compared), file=out)


def _as_json(scores: Scores) -> dict[str, Any]:
    routing, matrix = scores.routing, scores.routing.matrix
    return {
        "machine": scores.definition.name,
        "digest": scores.definition.digest,
        "model": scores.model,
        "source": scores.source,
        "is_full": scores.is_full,
        "queries": len(routing.routes),
        "labels": routing.labels,
        "matrix": {
            expected: {reached: matrix[expected, reached] for reached in scores.reached if matrix[expected, reached]}
            for expected in scores.expected
        },
        "accuracy": _share(routing.rates.accuracy),
        "misroute": _share(routing.rates.misroute),
        "false_fallback": _share(routing.rates.false_fallback),
        "leak": _share(routing.rates.leak),
        **scores.reasons,
        "ended": Counter(route.ended for route in routing.routes if route.ended) if scores.is_full else None,
        "tokens": scores.tokens,
        "cost_usd": None if scores.cost_usd is None else float(scores.cost_usd),
        "seconds": {"median": routing.seconds(0.5), "p95": routing.seconds(0.95)},
        "tradeoff": None if scores.tradeoff is None else _tradeoff(scores.tradeoff),
        "probes": [
            {"label": probe.label, "foreign": _share(probe.foreign), "own": _share(probe.own)}
            for probe in scores.probes
        ],
        "routes": [
            {
                "text": text,
                "expected": r.expected,
                "reached": r.reached,
                "path": r.path,
                "landing": r.landing,
                "tokens": r.used,
                "cost": r.cost,
            }
            for text, r in zip(scores.texts, routing.routes, strict=True)
        ],
    }


def _tradeoff(found: Tradeoff) -> dict[str, Any]:
    """Return a curve as JSON: counts alone, since what they are of is the same at each threshold."""
    points = [
        {
            "threshold": point.threshold,
            "misroute": point.rates.misroute.count,
            "false_fallback": point.rates.false_fallback.count,
            "leak": point.rates.leak.count,
        }
        for point in found.curve.points
    ]
    return {
        "state": found.state,
        "threshold": found.threshold,
        "best": found.curve.best().threshold,
        "points": points,
    }


def _share(share: Share) -> dict[str, float | None]:
    return {"count": share.count, "of": share.of, "rate": share.rate}
