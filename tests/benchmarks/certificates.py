"""How tight certificates are, and what they cost.

    python tests/benchmarks/certificates.py              every figure, one JSON line each
    python tests/benchmarks/certificates.py tightness    some of them

Gaps are ratios, 1 where nothing is lost. Times are CPU milliseconds in one process. `program`, `bound` and `search` are
the three parts of finding one measure's bound (tokens); `certify` and `check` are of all measures. Nothing here asserts
a time.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from fsm_orch.define.definition import Definition
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.bounds.program import LAYERED_UP_TO, best_tolls
from fsm_orch.proof.bounds.search import dearest_path
from fsm_orch.proof.bounds.skeleton import skeleton, worst_cases
from fsm_orch.proof.bounds.tolls import Tolls
from fsm_orch.proof.bounds.verifier import verify

sys.path.insert(0, str(Path(__file__).parents[1]))  # for `support`, when run alone

T = TypeVar("T")
SIZES = (10, 50, 200, 1_000)
ROUNDS = 3
ALWAYS = 10**9
SLOWEST = 50_000
"""Edges times hops of the largest layered program that is timed; beyond it takes minutes."""


def report(name: str, **figures: float | str) -> None:
    """Print a figure."""
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()}
    print(json.dumps({"figure": name, **rounded}), flush=True)


def timed(play: Callable[[], T]) -> tuple[T, float]:
    """Give what a play returns, and the median of its CPU milliseconds."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        result = play()
        times.append((time.process_time() - began) * 1e3)
    return result, statistics.median(times)


def priced(definition: Definition, layered_up_to: int) -> Tolls:
    """Price the tokens of a definition."""
    numbers = skeleton(definition, definition.limits)
    cost = worst_cases(definition, definition.limits, {}, {})["tokens"]
    return Tolls(numbers, cost, best_tolls(numbers, cost, layered_up_to=layered_up_to))


def spread(name: str, ratios: Sequence[float]) -> None:
    """Report a list of ratios."""
    exact = sum(ratio == 1 for ratio in ratios) / len(ratios)
    report(name, machines=len(ratios), exact=exact, median=statistics.median(ratios), worst=max(ratios))


def tightness() -> None:
    """300 random machines of up to 7 states: what is certified, and what prices alone prove, over brute force."""
    from support.roads import charged, paths, small

    random = Random(4)
    machines = [small(random) for _ in range(300)]
    worst = [max(charged(d, path) for path in paths(d)) for d in machines]
    kept = [(d, exact) for d, exact in zip(machines, worst, strict=True) if exact]
    bounds = [certify(d).bounds["tokens"] for d, _ in kept]
    spread("bound_over_exact", [b.bound / exact for b, (_, exact) in zip(bounds, kept, strict=True)])
    spread("exact_over_witness", [exact / b.witness.amount for b, (_, exact) in zip(bounds, kept, strict=True)])
    for name, up_to in (("layered", ALWAYS), ("not_layered", 0)):
        spread(f"prices_alone_{name}", [int(priced(d, up_to).total) / exact for d, exact in kept])


def times() -> None:
    """Machines of four edges a state whose visits can run out: finding and checking, layered and not."""
    certify(meshed(4, 5))  # SciPy is imported once, and not counted
    for hops in (8, 50):
        for states in SIZES:
            for name, up_to in (("layered", ALWAYS), ("not_layered", 0)):
                if up_to == 0 or 4 * states * hops <= SLOWEST:
                    parts(f"find_{name}_{states}_states_{hops}_hops", meshed(states, hops), up_to)
    for hops in (8, 50):
        for states in SIZES:
            whole(f"whole_{states}_states_{hops}_hops", meshed(states, hops))


def parts(name: str, definition: Definition, up_to: int) -> None:
    """Report what the parts of finding a bound take, and how far it is from its witness."""
    tolls, program = timed(lambda: priced(definition, up_to))
    total, bound = timed(lambda: Tolls(tolls.skeleton, tolls.worst_case, tolls.per_visit).total)
    found, search = timed(lambda: dearest_path(tolls))
    gap = 1.0 if found.is_dearest else int(total) / found.amount
    report(name, program_ms=program, bound_ms=bound, search_ms=search, gap=gap, prices_alone=int(total) / found.amount)


def whole(name: str, definition: Definition) -> None:
    """Report what a certificate of all measures takes, and its check."""
    certificate, found = timed(lambda: certify(definition))
    _, checked = timed(lambda: verify(certificate, definition))
    is_layered = skeleton(definition, definition.limits).edges * definition.limits.hops <= LAYERED_UP_TO
    exact = sum(bound.is_exact for bound in certificate.bounds.values())
    report(name, layered=is_layered, certify_ms=found, check_ms=checked, exact=f"{exact} of {len(certificate.bounds)}",
           kb=len(certificate.dump()) / 1_000)  # fmt: skip


def meshed(states: int, hops: int) -> Definition:
    """Draw a machine of four edges a state."""
    from support.roads import Stop, road

    random = Random(1)
    names = [f"s{number}" for number in range(states)]
    stops = {
        name: Stop(
            random.choice([0, 100, 700, 1_152, 2_304]), random.randint(0, 3), random.choice([1, 1, 2, 2, 3, None])
        )
        for name in names
    }
    edges = {(random.choice(names[:number]), names[number]) for number in range(1, states)}
    while len(edges) < 4 * states:
        edges.add((random.choice(names), random.choice(names)))
    return road(stops, sorted(edges), hops=hops)


FIGURES: dict[str, Callable[[], None]] = {"tightness": tightness, "times": times}


def main(wanted: list[str]) -> None:
    """Print the figures wanted, or all of them.

    Raises SystemExit: if one is not known.
    """
    unknown = sorted(set(wanted) - set(FIGURES))
    if unknown:
        raise SystemExit(f"no figure {', '.join(unknown)}. Figures: {', '.join(FIGURES)}")
    for name in wanted or FIGURES:
        FIGURES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
