"""Real user queries through the shop, with a real model, and what its records say of them.

The queries (CLINC150) are those of bank customers, travellers and drivers, and hardly one is about a shop: most of
them must end with a human, and not one may leave the definition. Nothing is measured here of how *right* a route is.

    python tests/benchmarks/shop_queries.py --queries 200 [--no-grammar] [--data FOLDER]

Prints one JSON line. What it says of transitions and limits is counted from the records of each run and from the
declaration alone, by rules written down once more: the kernel is not asked.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fsm_orch import Limits, ModelUnavailable, Runner, RunResult
from fsm_orch.define.definition import Definition
from fsm_orch.kernel import inputs
from fsm_orch.kernel.records import AttemptFailed, CallReserved, HandedOff, Landed, Record, Refused, VisitStarted
from fsm_orch.models import Model
from fsm_orch.models.local import LocalModel
from machines.shop import Query, ShopFloor, deps

DATA = Path(os.environ.get("FSM_ORCH_DATA") or Path(__file__).parents[2] / "../shared/data")
FILE = "clinc_queries.csv"
SEED = 4_200


def sample(data: Path, count: int) -> list[str]:
    """Choose queries at random, the same ones every time.

    Raises OSError: if the data is not there.
    """
    with (data / FILE).open(newline="", encoding="utf-8") as lines:
        texts = [row["text"] for row in csv.DictReader(lines)]
    return random.Random(SEED).sample(texts, min(count, len(texts)))


@dataclass
class Tally:
    """What was counted over many runs."""

    definition: Definition
    limits: Limits
    ends: Counter[str] = field(default_factory=Counter)
    transitions: int = 0
    outside: int = 0
    """Transitions that the definition does not have, or whose guard does not hold on what was written."""
    passed: Counter[str] = field(default_factory=lambda: Counter(hops=0, visits=0, calls=0, tokens=0, deadline=0))
    """How often a limit was passed."""
    landings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    """Attempts that failed: a model that cannot be reached at all ends every run safely too."""
    illegal_replies: int = 0
    """Replies of a model that were refused."""
    calls: int = 0
    reserved: int = 0
    charged: int = 0
    seconds: list[float] = field(default_factory=list)

    def add(self, result: RunResult[Any]) -> None:
        """Count a run that has ended."""
        self.ends[result.state.name] += result.state.name in self.definition.finals
        self.charged += result.charged_tokens
        self.seconds.append(result.seconds)
        self._transitions(result)
        self._limits(result.records)
        for record in result.records:
            match record:
                case Landed():
                    self.landings[record.reason] += 1
                case Refused():
                    self.refusals[record.reason] += 1
                    self.illegal_replies += self.definition.states[record.stamp.state].spec.proposes
                case AttemptFailed():
                    self.failures[record.reason] += 1
                case CallReserved():
                    self.calls += 1
                    self.reserved += record.input_tokens + record.output_tokens

    def _transitions(self, result: RunResult[Any]) -> None:
        """Follow the run through the definition, writing what each reply wrote."""
        started = result.journal[0]
        assert isinstance(started, inputs.Started)
        place, context = self.definition.initial.name, started.context
        replies = (entry for entry in result.journal if isinstance(entry, inputs.Replied))
        for record in result.records:
            if isinstance(record, Refused):
                next(replies)
            elif isinstance(record, Landed):
                self._count(record.target == self.definition.fallback.name and record.source == place)
                place = record.target
            elif isinstance(record, HandedOff):
                handoff = next((h for h in self.definition.handoffs if h.name == record.handoff), None)
                if handoff is not None and handoff.kind == "handoff":
                    context = {**context, **next(replies).changes}
                self._count(
                    handoff is not None
                    and place == record.source
                    and (record.source, handoff) in self.definition.edges
                    and record.target == handoff.target.name
                    and (handoff.guard is None or handoff.guard(self.definition.context(**context)))
                )
                place = record.target
        self.outside += place != result.state.name

    def _count(self, is_inside: bool) -> None:
        self.transitions += 1
        self.outside += not is_inside

    def _limits(self, records: Sequence[Record]) -> None:
        visits: Counter[str] = Counter()
        calls: Counter[str] = Counter()
        for record in records:
            now = record.stamp
            if isinstance(record, VisitStarted):
                visits[now.state] += 1
                calls[now.state] = 0
            calls[now.state] += isinstance(record, CallReserved)
            state = self.definition.states.get(now.state)
            self.passed["hops"] += now.hops > self.limits.hops
            self.passed["tokens"] += now.settled + now.reserved > self.limits.tokens
            self.passed["deadline"] += now.at > self.limits.deadline_s
            if state is not None:
                self.passed["visits"] += visits[now.state] > (state.max_visits or self.limits.hops)
                self.passed["calls"] += calls[now.state] > state.spec.calls

    def figures(self) -> dict[str, Any]:
        return {
            "queries": len(self.seconds),
            "ended": sum(self.ends.values()),
            "ends": dict(self.ends),
            "transitions": self.transitions,
            "transitions_outside": self.outside,
            "limits_passed": dict(self.passed),
            "landings": dict(self.landings),
            "refusals": dict(self.refusals),
            "failures": dict(self.failures),
            "illegal_replies": self.illegal_replies,
            "calls": self.calls,
            "tokens_reserved": self.reserved,
            "tokens_charged": self.charged,
            "seconds": round(sum(self.seconds), 1),
            "median_seconds": round(statistics.median(self.seconds), 4) if self.seconds else None,
        }


async def run_all(texts: Sequence[str], model: str | Model) -> tuple[Tally, list[RunResult[Query]]]:
    """Run each text through the shop, one after the other, and count."""
    runner = Runner(ShopFloor, model=model)
    tally = Tally(ShopFloor.definition, ShopFloor.limits)
    results: list[RunResult[Query]] = []
    with deps() as shop:
        for text in texts:
            results.append(await runner.run(Query(text=text), deps=shop))
            tally.add(results[-1])
    return tally, results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--queries", type=int, default=200, help="how many (default: %(default)s)")
    parser.add_argument("--no-grammar", action="store_true", help="let the model write whatever it likes")
    parser.add_argument("--data", type=Path, default=DATA, help=f"the folder of {FILE} (default: %(default)s)")
    asked = parser.parse_args()
    try:
        texts = sample(asked.data, asked.queries)
        model = LocalModel(grammar=not asked.no_grammar)
    except OSError as error:
        sys.exit(f"The queries cannot be read: {error}. Name their folder with --data or FSM_ORCH_DATA")
    except ModelUnavailable as error:
        sys.exit(str(error))
    tally, _ = asyncio.run(run_all(texts, model))
    print(json.dumps({"model": model.name, "grammar": not asked.no_grammar, **tally.figures()}))


if __name__ == "__main__":
    main()
