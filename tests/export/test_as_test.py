"""Counterexamples of states that must ask: the generated file runs, and shows the violation through the rounds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import careless
from support.careless import Claim, Desk, Payment

from fsm_orch import Machine
from fsm_orch.export.as_test import pytest_source
from fsm_orch.export.drawing import drawn
from fsm_orch.kernel.records import Answered, Asked
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.testing import Turn, play

BROKEN = [(Payment, 0), (Payment, 1), (Desk, 0), (Desk, 1)]


def told(file: Path) -> tuple[int, str]:
    """Return how pytest ended on a file, and what it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(file.parent), str(file)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=file.parent,
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize(("machine", "number"), BROKEN)
def test_a_generated_file_shows_the_violation(machine: type[Machine[Any]], number: int, tmp_path: Path) -> None:
    """Pytest runs it and it fails by the policy, on the path that the explorer found, and by nothing else."""
    found = explore(machine.definition).policies[number]
    assert found.trace is not None
    file = tmp_path / "test_generated.py"
    file.write_text(pytest_source(machine.definition, found.policy, found.trace, module=careless.__name__))

    ended, said = told(file)

    assert (1, "violated") == (ended, found.verdict), said
    assert f"{found.policy} is broken: {found.trace}" in said
    assert "1 failed" in said


@pytest.mark.parametrize(("machine", "number"), BROKEN)
def test_a_path_through_rounds_is_drawn(machine: type[Machine[Any]], number: int) -> None:
    """The diagram marks the handoffs of the path, whatever was asked for on the way."""
    trace = explore(machine.definition).policies[number].trace
    assert trace is not None

    assert "stroke-width:5px" in drawn(machine.definition, trace)


def test_rounds_are_played() -> None:
    """A human, a nested machine, branches and a map are asked before their handoffs are taken, and none acts."""
    both = {Claim.note: "a", Claim.other: "b"}
    turns = [
        Turn(Desk.work, changes={Claim.note: "a"}),
        Turn(Desk.fan, changes=both),
        Turn(Desk.each, changes={Claim.notes: ("c",)}),
        Turn(Desk.refund, changes={Claim.receipt: "r"}),
    ]

    result = play(Desk, Claim(query="?"), turns)

    own = [record for record in result.records if not record.stamp.path]
    assert ["on", "over", "more", "done"] == [hop.handoff for hop in result.path if hop.handoff]
    assert 3 == sum(isinstance(record, Asked) for record in own)
    assert all(record.tokens == 0 for record in own if isinstance(record, Answered))
    assert ("r", "finished") == (result.context.receipt, result.status)


def test_a_human_answers_as_the_turn_says() -> None:
    """The run waits for nobody: what the turn proposes and writes is what comes of the question."""
    turns = [
        Turn(Payment.approve, Payment.no, {Claim.note: "n"}),
        Turn(Payment.log),
        Turn(Payment.refund, changes={Claim.receipt: "r"}),
    ]

    result = play(Payment, Claim(query="?"), turns)

    assert ["no", "anyway", "done"] == [hop.handoff for hop in result.path]
    assert ("n", 0.0) == (result.context.note, result.seconds)
