"""Policies of single runs: what generated counterexamples assert, and how their values are searched for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from pydantic import ValidationError

from .. import events
from ..budget import FREE, Price
from ..configuration import Configuration
from ..context import changed
from ..engine import Compiled, judged
from ..guards import Guard
from ..kernel import step
from ..machine import AnyMachine
from ..policies import Policy
from ..proof.policy import Automaton, automaton
from ..result import RunResult


def assert_kept(machine: AnyMachine, policy: Policy, result: RunResult[Any], *, price: Price = FREE) -> None:
    """Assert that a run kept a policy.

    Args:
        price: what tokens cost in it.

    Raises AssertionError: if it did not; says which way it went.
    """
    way = " ".join(str(hop) if number == 0 else str(hop).partition(" ")[2] for number, hop in enumerate(result.path))
    assert not breaks(machine, policy, result, price=price), f"{policy} is broken: {way}"


def breaks(machine: AnyMachine, policy: Policy, result: RunResult[Any], *, price: Price = FREE) -> bool:
    """Tell whether a run broke a policy.

    Args:
        price: what tokens cost in it.
    """
    follower, at = automaton(policy), 0
    definition, now = machine.definition, cast("Configuration | None", None)
    started = cast("events.Started", result.journal[0])
    compiled = Compiled(definition, limits=started.limits, prices=dict.fromkeys(definition.states, price))
    for event in result.journal:
        before, stepped = now, step(compiled, now, event)
        now = stepped.configuration
        if before is None:
            at = follower.start(definition.initial.name, _holds(now))
        for record in stepped.records:
            if isinstance(record, events.HandedOff | events.Landed):
                at = _moved(follower, at, record, _left(before or now, event, record, now))
    return follower.is_broken(at, ended=True, landed=result.landing is not None)


def _moved(follower: Automaton, at: int, record: events.HandedOff | events.Landed, left: Configuration) -> int:
    if isinstance(record, events.Landed):
        return follower.landed(at, record.target, _holds(left))
    return follower.hop(at, record.handoff, record.target, _holds(left))


def _left(
    before: Configuration, event: events.Input, record: events.HandedOff | events.Landed, after: Configuration
) -> Configuration:
    """Give the configuration that a hop left: one input may take two, and only a final state writes what it sets."""
    if after.state == record.target and after.status == "finished":
        return after
    is_written = isinstance(record, events.HandedOff) and record.written
    changes = event.changes if isinstance(event, events.Replied) and is_written else {}
    return before._replace(context=changed(before.context, changes))


def _holds(now: Configuration) -> Callable[[Guard[Any]], bool]:
    return lambda guard: judged(guard, now.context).holds


def search_values(
    attempt: Callable[[st.DrawFn], RunResult[Any]],
    is_found: Callable[[RunResult[Any]], bool],
    *,
    max_examples: int = 300,
) -> None:
    """Search for values that make a path real: fail with the simplest that do, or skip and say that none were found.

    Args:
        attempt: takes the path with values that it draws; what the context refuses is drawn anew.
        is_found: tells whether a run is what is searched for.
        max_examples: how many values are tried.
    """

    @st.composite
    def drawn(draw: st.DrawFn) -> RunResult[Any]:
        try:
            return attempt(draw)
        except ValidationError:
            reject()

    patient = settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.filter_too_much),
    )
    try:
        result = find(drawn(), is_found, settings=patient)
    except NoSuchExample:
        pytest.skip(f"no values made this path real in {max_examples:,} tries: it may not be possible")
    started = cast("events.Started", result.journal[0])
    pytest.fail(f"this path is real: {' '.join(map(str, result.path))}, begun on {dict(started.context)}")
