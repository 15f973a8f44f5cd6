"""Policies of single runs: what generated counterexamples assert, and how values for them are found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample, Unsatisfiable
from pydantic import ValidationError

from ..define.changes import describe
from ..define.machine import AnyMachine
from ..define.policies import Policy
from ..kernel import inputs
from ..kernel.begin import compiled_as
from ..proof.explore import reality
from ..run.result import RunResult
from .asserts import check_policies
from .strategies import unmade


def assert_kept(machine: AnyMachine, policy: Policy, result: RunResult[Any]) -> None:
    """Assert that a run kept a policy.

    Args:
        machine: the machine of the run.
        policy: a policy of that machine.
        result: the run.

    Raises AssertionError: if it did not; the message shows its path.
    Raises DefinitionError: if the policy names parts of another machine.
    Raises TypeError: if `policy` is not a policy.
    """
    way = " ".join(str(hop) if number == 0 else str(hop).partition(" ")[2] for number, hop in enumerate(result.path))
    assert not breaks(machine, policy, result), f"{policy} is broken: {way}"


def breaks(machine: AnyMachine, policy: Policy, result: RunResult[Any]) -> bool:
    """Return whether a run broke a policy; arguments as in `assert_kept`.

    Raises DefinitionError: if the policy names parts of another machine.
    Raises TypeError: if `policy` is not a policy.
    """
    check_policies(machine, policy)
    definition, started = machine.definition, cast("inputs.Started", result.journal[0])
    compiled = compiled_as(definition, started)
    return reality.breaks(compiled, policy, result.journal)


def search_values(
    attempt: Callable[[st.DrawFn], RunResult[Any]],
    is_found: Callable[[RunResult[Any]], bool],
    *,
    max_examples: int = 300,
) -> None:
    """Search for values that make a path real: fail the test with the simplest, or skip it if none are found.

    Args:
        attempt: takes the path with values that it draws; if the context refuses them, others are drawn.
        is_found: returns whether a run is the one that is searched for.
        max_examples: how many runs are tried.

    Raises hypothesis.errors.ResolutionFailed: if the context refuses all values; the message says why.
    """
    refused: list[str] = []

    @st.composite
    def drawn(draw: st.DrawFn) -> RunResult[Any]:
        try:
            return attempt(draw)
        except ValidationError as error:
            refused.append(describe(error))
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
    except Unsatisfiable as error:
        raise unmade("this path", refused or [str(error)]) from error
    started = cast("inputs.Started", result.journal[0])
    pytest.fail(f"this path is real: {' '.join(map(str, result.path))}, begun on {dict(started.context)}")
