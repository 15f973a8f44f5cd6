"""What `fsm-orch eval` compares: two measurements of the same queries, one of which may be an older one, in a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from rich.console import Console
from rich.text import Text

from ...amounts import padded_dollars
from ...evaluate.paired import Outcome, Paired, paired
from ...evaluate.routes import verdict
from .. import tables
from ..show import CommandError, columns, name_of, safe
from .scores import Scores

_FEW = 10
"""Disagreements that are printed."""


_Amount = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class _Row(msgspec.Struct):
    text: str
    expected: str
    reached: str
    tokens: _Amount
    cost: _Amount
    path: tuple[str, ...] = ()


class _Saved(msgspec.Struct):
    """What is read of a result that `--json` has printed."""

    machine: str
    digest: str
    labels: tuple[str, ...]
    routes: tuple[_Row, ...]
    model: str | None = None
    cost_usd: float | None = None


@dataclass(frozen=True)
class Side:
    """One of two measurements."""

    name: str
    outcomes: Sequence[Outcome]
    is_priced: bool
    labels: frozenset[str]
    """What it was judged by."""

    def by(self, labels: frozenset[str]) -> Sequence[Outcome]:
        """Return its outcomes as these labels judge them, its own among them.

        Raises CommandError: if nobody can tell, since it was saved without the paths of its runs.
        """
        if (others := labels - self.labels) and not all(each.path for each in self.outcomes):
            raise CommandError(
                f"{self.name} was judged without {', '.join(sorted(others))}, and does not say whether its runs went "
                "there: measure it again"
            )
        return [each.by(labels) for each in self.outcomes]


@dataclass(frozen=True)
class Comparison:
    """Two measurements of the same queries."""

    before: Side
    now: Side
    result: Paired

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        change, low, high = self.result.difference
        return {
            "before": self.before.name,
            "now": self.now.name,
            "queries": len(self.result.pairs),
            "unpaired": self.result.unpaired,
            "gained": self.result.gained,
            "lost": self.result.lost,
            "difference": {"rate": change, "low": low, "high": high},
            "p_value": self.result.p_value,
            "disagreements": [
                {
                    "text": pair.now.text,
                    "expected": pair.now.expected,
                    "before": pair.before.reached,
                    "now": pair.now.reached,
                }
                for pair in self.result.pairs
                if not pair.is_same
            ],
        }


def side_of(scores: Scores) -> Side:
    """Return a measurement that was made now."""
    labels = scores.routing.labels
    outcomes = [
        _outcome(text, route.expected, route.reached, route.used, route.cost, route.path, labels)
        for text, route in zip(scores.texts, scores.routing.routes, strict=True)
    ]
    model = f" on {scores.model}" if scores.model else ""
    return Side(f"{scores.definition.name}{model}", outcomes, scores.is_priced, frozenset(labels))


def _outcome(
    text: str, expected: str, reached: str, tokens: int, cost: int, path: tuple[str, ...], labels: Sequence[str]
) -> Outcome:
    is_right = verdict(expected, reached, labels) == "right"
    return Outcome(
        text=text, expected=expected, reached=reached, is_right=is_right, tokens=tokens, cost=cost, path=path
    )


def side_in(file: Path) -> Side:
    """Return a measurement that `fsm-orch eval --json` has printed into a file.

    Raises CommandError: if it cannot be read, or holds anything else.
    """
    try:
        saved = msgspec.json.decode(tables.text_of(file.read_bytes()), type=_Saved)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError):
        raise CommandError(
            f"{file} is no result to compare with: save one of this version with fsm-orch eval ... --json > {file.name}"
        ) from None
    outcomes = [
        _outcome(row.text, row.expected, row.reached, row.tokens, row.cost, row.path, saved.labels)
        for row in saved.routes
    ]
    model = f" on {saved.model}" if saved.model else ""
    is_priced = saved.cost_usd is not None
    return Side(f"{saved.machine}{model} in {file.name}", outcomes, is_priced, frozenset(saved.labels))


def compared(before: Side, now: Side) -> Comparison:
    """Compare two measurements, both judged by the labels of both.

    Raises CommandError: if they have no query in common, or one cannot be judged by the labels of the other.
    """
    if not paired(before.outcomes, now.outcomes).pairs:
        raise CommandError(f"{before.name} and {now.name} have measured no query in common: measure the same ones")
    labels = before.labels | now.labels
    return Comparison(before, now, paired(before.by(labels), now.by(labels)))


def in_words(comparison: Comparison) -> list[tuple[str, str]]:
    """Return what a comparison comes to, each with its label."""
    result = comparison.result
    change, low, high = result.difference
    count = len(result.pairs)
    left_out = f"; only one side has {result.unpaired:,} more" if result.unpaired else ""
    tokens = [sum(getattr(pair, name).tokens for pair in result.pairs) // count for name in ("before", "now")]
    lines = [
        ("queries", f"{count:,} that both have{left_out}"),
        ("right now", f"{result.gained:,} that were wrong; {result.lost:,} are wrong that were right"),
        ("difference", f"{100 * change:+.1f} % of queries [{100 * low:+.1f}, {100 * high:+.1f}] (95 %, Newcombe's)"),
        ("chance", f"p = {result.p_value:.3g} (McNemar's exact test): {_sure(result)}"),
        ("tokens", f"{tokens[0]:,} a query before, {tokens[1]:,} now"),
    ]
    if comparison.before.is_priced and comparison.now.is_priced:
        was, now = (sum(getattr(pair, name).cost for pair in result.pairs) for name in ("before", "now"))
        lines.append(("cost", f"{padded_dollars(was)} before, {padded_dollars(now)} now"))
    return lines


def _sure(result: Paired) -> str:
    if result.p_value >= 0.05:
        return "nobody can tell which is better"
    return "it is better now" if result.gained > result.lost else "it was better before"


def show(out: Console, comparison: Comparison) -> None:
    """Write a comparison, with the first queries on which both disagree."""
    title = f"{comparison.before.name} → {comparison.now.name}"
    out.print(Text(safe(title), style="bold"), soft_wrap=True)
    for label, text in in_words(comparison):
        out.print(Text(f"  {label:<16}", style="dim").append(text, style="not dim"), soft_wrap=True)
    differ = [pair for pair in comparison.result.pairs if not pair.is_same]
    if differ:
        out.print()
        table = columns()
        for heading in ("  expected", "before", "now", "query"):
            table.add_column(heading, overflow="fold")
        for pair in differ[:_FEW]:
            states = (pair.now.expected, pair.before.reached, pair.now.reached)
            names = (Text(name_of(name)) for name in (*states, pair.now.text))
            table.add_row(Text("  ").append(next(names)), *names)
        out.print(table)
        if len(differ) > _FEW:
            out.print(Text(f"  {len(differ) - _FEW:,} more: --html or --json", style="dim"))
    out.print()
