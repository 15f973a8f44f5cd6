"""Plans of simulations, drawn by Hypothesis: hosts, runs, and what happens to them when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from hypothesis import strategies as st

Kind = Literal["crash", "stop", "cut", "slow", "drain", "restart", "deliver"]


@dataclass(frozen=True)
class Host:
    """A host of one worker."""

    skew_s: float = 0.0
    """How far its clock is off."""
    concurrency: int = 2
    is_new: bool = True
    """Whether it drives orders; else errands alone."""
    is_busy: bool = False
    """Whether it has more to do, so that it beats as long as it lives."""


@dataclass(frozen=True)
class Job:
    """A run that is queued."""

    at: float
    is_order: bool = True
    answer_at: float = 0.0
    """Of an order: from when on a human answers."""
    cancel_at: float | None = None


@dataclass(frozen=True)
class Trouble:
    """Something that happens to a host."""

    at: float
    host: int
    kind: Kind
    """A crash; a stop, after which it goes on; a cut from the store; a slow network; a drain; a restart of the store,
    which cuts all hosts off; a delivery of some run to it, as by an engine."""
    for_s: float


@dataclass(frozen=True)
class Plan:
    """All that a simulation depends on."""

    hosts: tuple[Host, ...]
    jobs: tuple[Job, ...]
    troubles: tuple[Trouble, ...]
    is_flaky: bool
    seed: int


def _seconds(most: int, *, least: int = 0) -> st.SearchStrategy[float]:
    return st.integers(least * 4, most * 4).map(lambda quarters: quarters / 4)


def plans(*, hosts: int = 4, jobs: int = 4, troubles: int = 6) -> st.SearchStrategy[Plan]:
    """Draw plans.

    Args:
        hosts: how many there are at most; likewise the others.
    """
    # the first can drive everything, else a run might be nobody's
    worker = partial(st.builds, Host, skew_s=_skews(), concurrency=st.integers(1, 3), is_busy=st.booleans())
    first, others = worker(), st.lists(worker(is_new=st.booleans()), max_size=hosts - 1)
    kinds = st.sampled_from(("crash", "stop", "cut", "slow", "drain", "restart", "deliver"))
    return st.builds(
        lambda first, others, jobs, troubles, is_flaky, seed: Plan(
            (first, *others), tuple(jobs), tuple(troubles), is_flaky, seed
        ),
        first,
        others,
        st.lists(
            st.builds(
                Job,
                at=_seconds(10),
                is_order=st.booleans(),
                answer_at=_seconds(40),
                cancel_at=st.none() | _seconds(40),
            ),
            min_size=1,
            max_size=jobs,
        ),
        st.lists(
            st.builds(
                Trouble, at=_seconds(40), host=st.integers(0, hosts - 1), kind=kinds, for_s=_seconds(40, least=1)
            ),
            max_size=troubles,
        ),
        st.booleans(),
        st.integers(0, 2**16),
    )


def _skews() -> st.SearchStrategy[float]:
    return st.sampled_from((0.0, 180.0, -180.0, 20.0, -20.0))
