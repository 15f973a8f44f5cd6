"""The tolls at which the bound is lowest, found by a linear program; the only module that imports SciPy.

    minimise    pi(initial, 0) + sum left(s) * lambda(s), or z + sum left(s) * lambda(s) of several starts
    subject to  pi(s, h) - pi(t, h + 1) + lambda(t) >= c(t)    on every edge s -> t, after every h it can be taken at
                z - pi(s, 0) + lambda(s) >= c(s)               for each of several starts s
                pi >= 0, lambda >= 0

Here c(t) is the worst case of a visit of t, left(s) the visits of s that remain once the run has begun, and pi(s, h),
the *potential*, bounds what may follow a visit of s that began after h hops. `tolls` explains the bound.

Only lambda is kept, and rounded. Any tolls give a bound that holds, so a wrong or inexact solution only makes the bound
higher than it need be. Where edges times hops exceed `LAYERED_UP_TO`, a smaller program is solved instead, with
pi(s, h) = p(s) + (H - 1 - h) * mu: one potential for each state, and mu, the toll of a hop. Its tolls are not always
the best ones. The bound is then computed from them hop by hop, as from any others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from ...define.graph import reachable
from ...define.wording import to_install
from ...errors import CertificateError
from .skeleton import Skeleton

LAYERED_UP_TO = 10_000
"""Edges times hops of the largest program that has a potential for each hop; it is solved in well under a second."""

_MAX_DENOMINATOR = 64
"""The largest denominator of a toll, so that the exact sums over tolls stay short."""

_TIE_BREAK = 1e-6
"""Added to the weight of every toll, so that a toll which does not change the bound comes out as 0."""

Terms = tuple[tuple[Hashable, float], ...]
"""Variables with their factors. A toll is named by its state, a potential by a tuple, z by the empty one, the toll of a
hop by None."""


def best_tolls(
    skeleton: Skeleton, worst_case: Mapping[str, int], *, layered_up_to: int = LAYERED_UP_TO
) -> dict[str, Fraction]:
    """Return the toll of a visit of each scarce state: a fraction of at least 0, in the units of the measure.

    Args:
        worst_case: by state, the most that one visit is charged.
        layered_up_to: edges times hops up to which the larger, better program is solved.

    Raises CertificateError: if a program has to be solved and SciPy is not installed.
    """
    scarce, scale = sorted(skeleton.scarce), max(worst_case.values())
    is_small = skeleton.edges * skeleton.hops <= layered_up_to
    goal, rows = _layered(skeleton) if is_small else _flat(skeleton)
    if not scarce or not rows or scale == 0:
        return dict.fromkeys(scarce, Fraction(0))  # no solver needed, nor imported
    tolls = tuple((state, skeleton.visits_left[state] + _TIE_BREAK) for state in scarce)
    solution = _minimise((*goal, *tolls), [(terms, worst_case[target] / scale) for terms, target in rows])
    # The solver is not trusted. A slightly negative toll would prove nothing, so it becomes 0. A rounded toll gives a
    # bound that is at most a little higher. If the solver failed all tolls are 0, which counts hops and not visits.
    return {s: Fraction(max(0.0, solution.get(s, 0.0)) * scale).limit_denominator(_MAX_DENOMINATOR) for s in scarce}


def _layered(skeleton: Skeleton) -> tuple[Terms, list[tuple[Terms, str]]]:
    """Return the goal and the rows of the program with a potential (s, h) for each state reachable by h hops."""
    rows: list[tuple[Terms, str]] = []
    goal, first = _goal(skeleton, lambda start: (((start, 0), -1),))
    rows += first
    reached = set(skeleton.starts)
    for h in range(skeleton.hops - 1):
        edges = [(s, t) for s in sorted(reached) for t in skeleton.onward[s]]
        rows += [((((s, h), 1), ((t, h + 1), -1), *_toll(skeleton, t)), t) for s, t in edges]
        reached = {t for _, t in edges}
    return goal or (((skeleton.starts[0], 0), 1),), rows


def _flat(skeleton: Skeleton) -> tuple[Terms, list[tuple[Terms, str]]]:
    """Return the goal and the rows of the program with one potential (s,) for each reachable state, and mu."""
    reached = sorted(reachable(skeleton.onward, skeleton.starts))
    edges = [(s, t) for s in reached for t in skeleton.onward[s]]
    rows = [((((s,), 1), ((t,), -1), (None, 1), *_toll(skeleton, t)), t) for s, t in edges]
    goal, first = _goal(skeleton, lambda start: (((start,), -1), (None, 1 - skeleton.hops)))
    return goal or (((skeleton.starts[0],), 1), (None, skeleton.hops - 1)), [*rows, *first]


def _goal(skeleton: Skeleton, less: Callable[[str], Terms]) -> tuple[Terms, list[tuple[Terms, str]]]:
    """Return what is minimised beside the tolls, with its rows; nothing where there is one start.

    Args:
        less: returns what pi(start, 0) takes off.
    """
    if skeleton.has_one_start:
        return (), []
    return (((), 1),), [((((), 1), *less(start), *_toll(skeleton, start)), start) for start in skeleton.starts]


def _toll(skeleton: Skeleton, state: str) -> Terms:
    return ((state, 1),) if state in skeleton.scarce else ()


def _minimise(goal: Terms, rows: Sequence[tuple[Terms, float]]) -> dict[Hashable, float]:
    """Minimise the goal, where each row's terms sum to at least its number; {} if the solver fails.

    No variable is negative: that is the default of `linprog`.
    """
    try:
        from scipy.optimize import linprog  # noqa: PLC0415 - an extra, and slow to import
        from scipy.sparse import coo_array  # noqa: PLC0415
    except ImportError as error:
        raise CertificateError(f"making a certificate needs SciPy: {to_install('proof')}") from error
    columns: defaultdict[Hashable, int] = defaultdict(lambda: len(columns))
    # `linprog` bounds rows from above, and ours are bounded from below: both sides change their sign.
    entries = [(-factor, row, columns[name]) for row, (terms, _) in enumerate(rows) for name, factor in terms]
    weights = {columns[name]: factor for name, factor in goal}
    factors, row_numbers, column_numbers = zip(*entries, strict=True)
    matrix: Any = coo_array((factors, (row_numbers, column_numbers)), shape=(len(rows), len(columns)), dtype=float)
    solved = linprog([weights.get(n, 0) for n in range(len(columns))], matrix.tocsr(), [-least for _, least in rows])
    return {} if solved.x is None else dict(zip(columns, solved.x.tolist(), strict=True))
