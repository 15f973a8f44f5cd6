"""The tolls at which the bound is lowest, by a linear program; the one place where SciPy is let in.

    minimise    pi(initial, 0) + sum left(s) * lambda(s)
    subject to  pi(s, h) - pi(t, h + 1) + lambda(t) >= c(t)    on every edge s -> t, after every h it can be taken at
                pi >= 0, lambda >= 0

Only lambda is kept, and rounded: any tolls give a bound that holds (see `tolls`), so nothing hangs
on the solver's arithmetic. Where edges times hops pass `LAYERED_UP_TO`, the program is solved for
pi(s, h) = p(s) + (H - 1 - h) * mu instead: one potential a state and a toll of a hop. That one is small, and its
tolls are a little less often the best; what follows from them is computed hop by hop all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ...define.graph import reachable
from ...errors import CertificateError
from .skeleton import Skeleton

LAYERED_UP_TO = 10_000
"""Edges times hops of the largest program with a potential for each hop; it is solved in well under a second."""

_FINEST = 64
"""The largest denominator of a toll."""

_NUDGE = 1e-6
"""What a toll weighs more than it costs, so that one which nothing hangs on is 0."""

Terms = tuple[tuple[Hashable, float], ...]
"""Variables with their factors. A variable is a toll: the state; a potential: a tuple; or the toll of a hop: None."""


def best_tolls(
    skeleton: Skeleton, worst_case: Mapping[str, int], *, layered_up_to: int = LAYERED_UP_TO
) -> dict[str, Fraction]:
    """Return the toll of a visit of each scarce state, in whole units or small fractions of them.

    Raises CertificateError: if SciPy is needed and not installed.
    """
    scarce, scale = sorted(skeleton.scarce), max(worst_case.values())
    is_small = skeleton.edges * skeleton.hops <= layered_up_to
    goal, rows = _layered(skeleton) if is_small else _flat(skeleton)
    if not scarce or not rows or scale == 0:
        return dict.fromkeys(scarce, Fraction(0))
    tolls = tuple((state, skeleton.visits_left[state] + _NUDGE) for state in scarce)
    solution = _minimise((*goal, *tolls), [(terms, worst_case[target] / scale) for terms, target in rows])
    return {s: Fraction(max(0.0, solution.get(s, 0.0)) * scale).limit_denominator(_FINEST) for s in scarce}


def _layered(skeleton: Skeleton) -> tuple[Terms, list[tuple[Terms, str]]]:
    """Set the program up, with a potential (s, h) for each state that can be reached by h hops."""
    rows: list[tuple[Terms, str]] = []
    reached = {skeleton.initial}
    for h in range(skeleton.hops - 1):
        edges = [(s, t) for s in sorted(reached) for t in skeleton.onward[s]]
        rows += [((((s, h), 1), ((t, h + 1), -1), *_toll(skeleton, t)), t) for s, t in edges]
        reached = {t for _, t in edges}
    return (((skeleton.initial, 0), 1),), rows


def _flat(skeleton: Skeleton) -> tuple[Terms, list[tuple[Terms, str]]]:
    """Set the program up, with a potential (s,) for each state that can be reached and a toll of a hop."""
    reached = sorted(reachable(skeleton.onward, [skeleton.initial]))
    edges = [(s, t) for s in reached for t in skeleton.onward[s]]
    rows = [((((s,), 1), ((t,), -1), (None, 1), *_toll(skeleton, t)), t) for s, t in edges]
    return (((skeleton.initial,), 1), (None, skeleton.hops - 1)), rows


def _toll(skeleton: Skeleton, state: str) -> Terms:
    return ((state, 1),) if state in skeleton.scarce else ()


def _minimise(goal: Terms, rows: Sequence[tuple[Terms, float]]) -> dict[Hashable, float]:
    """Minimise the goal, with the terms of every row at least its number and no variable negative; {} if that fails."""
    try:
        from scipy.optimize import linprog  # noqa: PLC0415 - an extra, and slow to import
        from scipy.sparse import coo_array  # noqa: PLC0415
    except ImportError as error:
        raise CertificateError("a certificate needs a solver; run: pip install 'fsm_orch[proof]'") from error
    columns: defaultdict[Hashable, int] = defaultdict(lambda: len(columns))
    entries = [(-factor, row, columns[name]) for row, (terms, _) in enumerate(rows) for name, factor in terms]
    weights = {columns[name]: factor for name, factor in goal}
    factors, row_numbers, column_numbers = zip(*entries, strict=True)
    matrix: Any = coo_array((factors, (row_numbers, column_numbers)), shape=(len(rows), len(columns)), dtype=float)
    solved = linprog([weights.get(n, 0) for n in range(len(columns))], matrix.tocsr(), [-least for _, least in rows])
    return {} if solved.x is None else dict(zip(columns, solved.x.tolist(), strict=True))
