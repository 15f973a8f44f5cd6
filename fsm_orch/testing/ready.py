"""The tests that every machine gets: proofs about all of its runs, and attacks by Hypothesis on some of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis.stateful import run_state_machine_as_test

from ..define.machine import AnyMachine, definition_of
from ..define.states import State
from ..kernel import inputs
from ..kernel.begin import compiled_as
from ..kernel.step import fold_recorded
from ..proof.bounds.certify import certify
from ..proof.explore.exploration import Exploration, explore
from ..proof.findings import findings as all_findings
from ..run.result import RunResult
from .adversaries import SECRET
from .asserts import assert_bounded, unkept
from .called import assert_agents_act
from .kills import assert_survives_kills
from .resumes import assert_resumes
from .safety import RoutingSafety
from .strategies import contexts
from .tape import Tape
from .theorem_checker import TheoremChecker
from .whole_runs import adversaries, runs

Ready = Callable[[AnyMachine], object]

_KILLS = 24
"""At how many points a run is killed; each takes some two processes, and a tenth of a second."""


@lru_cache(maxsize=1)
def _explored(machine: type) -> Exploration:
    """Explore a machine, once for all of its tests that come one after another."""
    # by the class, not by its digest: two machines may share one, and differ in the code of a guard
    return explore(definition_of(machine, "explore"))


def findings(machine: AnyMachine) -> None:
    """Check the machine as `fsm-orch check` does, without its policies, which `policies` tests.

    Raises AssertionError: if a finding is an error.
    """
    definition = machine.definition
    found = all_findings(definition, certify(definition), _explored(machine), prices={})  # type: ignore[arg-type]
    errors = [finding for finding in found if finding.level == "error" and not finding.code.startswith("FSM41")]
    assert not errors, "\n".join(map(str, errors))


def bounded(machine: AnyMachine) -> None:
    """Certify the machine, and check its certificate in exact numbers.

    Raises CertificateError: if no run can start, or the certificate is refuted.
    """
    assert_bounded(machine)


def policies(machine: AnyMachine) -> None:
    """Explore every path of the machine, and check its policies and T1 to T5.

    Raises AssertionError: if one was not shown to hold; shows a shortest path if there is one.
    """
    # what is open fails too: a test that is skipped for ever says as little as none, and looks like more
    lines = unkept(_explored(machine))  # type: ignore[arg-type]
    assert not lines, "\n".join(lines)


def safety(machine: AnyMachine) -> None:
    """Attack the machine input by input; see `RoutingSafety`.

    Raises AssertionError: if T1 to T6 do not hold; shows the shortest example.
    Raises hypothesis.errors.ResolutionFailed: if no context can be drawn; names the type to register.
    """
    contexts(machine).validate()  # first, or Hypothesis reports an empty strategy without its name
    run_state_machine_as_test(RoutingSafety(machine), settings=settings(deadline=None))


def replay(machine: AnyMachine) -> None:
    """Run the whole machine against adversaries, and check that each journal leads to where its run ended.

    Raises AssertionError: if one does not, or T1 to T6 do not hold; shows the shortest example.
    Raises hypothesis.errors.ResolutionFailed: if no context can be drawn; names the type to register.
    """
    contexts(machine).validate()

    @settings(deadline=None)
    @given(runs(machine))
    def every_run(result: RunResult[Any]) -> None:
        assert_replays(machine, result)

    every_run()


def resumes(machine: AnyMachine) -> None:
    """Resume runs of the machine from every prefix of their journals; see `assert_resumes`.

    Raises AssertionError: if one does not go on as it should; shows the shortest example.
    Raises hypothesis.errors.ResolutionFailed: if no context can be drawn; names the type to register.
    """
    assert_resumes(machine, journals=-(-settings().max_examples // 5))  # each is resumed some ten times


def survives(machine: AnyMachine) -> None:
    """Kill a run of the machine at some of its points, in processes of their own; see `assert_survives_kills`.

    Raises AssertionError: if it does not survive; says where it was killed.
    Raises pytest.skip.Exception: if this system cannot fork processes.
    Raises hypothesis.errors.ResolutionFailed: if no context can be drawn; names the type to register.
    """
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork processes, so none can be killed")
    contexts(machine).validate()
    simplest = find(contexts(machine), lambda _: True, settings=settings(database=None, phases=[Phase.generate]))
    agents = adversaries(machine.definition, Tape(b""), {})
    has_deps = machine.definition.deps is not None
    assert_survives_kills(machine, simplest, agents=agents, deps=object if has_deps else lambda: None, points=_KILLS)


def agents_act(machine: AnyMachine, *, state: State, deps: Callable[[], object]) -> None:
    """Call the agent of a state by itself; see `assert_agents_act`.

    Args:
        machine: the machine.
        state: whose agent is code.
        deps: makes the dependencies of one call; None if there are none of the test's own.

    Raises AssertionError: if the agent does not act; shows the simplest context.
    Raises pytest.skip.Exception: if the machine has dependencies, and there are none of the test's own.
    """
    if machine.definition.deps is not None and deps() is None:
        pytest.skip(
            f"{machine.__name__} has dependencies: return the test's own from pytest_fsm_deps(machine, state) in a "
            "conftest.py; agents do not get the real ones, since they may pay with them"
        )
    assert_agents_act(machine, state, deps=deps)


def assert_replays(machine: AnyMachine, result: RunResult[Any]) -> None:
    """Assert that the journal of a run leads to where the run ended, with T1 to T6 after every input.

    Args:
        machine: the machine of the run.
        result: the run.

    Raises AssertionError: if it does not.
    """
    started, definition = result.journal[0], machine.definition
    assert isinstance(started, inputs.Started), "a journal begins with how the run was started"
    compiled = compiled_as(definition, started)
    end = TheoremChecker(compiled).follow_all(result.journal)
    again, records = fold_recorded(compiled, result.journal)
    assert end == again, "replay: the journal leads elsewhere the second time"
    went = (result.state.name, result.context, result.said, result.records, result.charged_tokens)
    led = (end.state, end.context, end.messages, records, end.ledger.settled.tokens)
    assert went == led, f"replay: the run ended with {went!r}, its journal leads to {led!r}"
    assert end.status == "finished", f"T5: the run ended in mid-air, {end.status} in {end.state!r}"
    leaked = SECRET in repr(result.journal) + repr(result.records)
    assert not leaked, "a journal or a record holds what an agent raised, which may be a secret"


TESTS: Mapping[str, Ready] = {
    "findings": findings,
    "bounded": bounded,
    "policies": policies,
    "safety": safety,
    "replay": replay,
    "resumes": resumes,
    "survives": survives,
}
"""By the name of the pytest item."""
