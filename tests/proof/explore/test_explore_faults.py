"""A kernel that is wrong: the theorems are checked by other lines than its own."""

from __future__ import annotations

import pytest
from support.brute import Flags, is_a, is_b
from support.desk import Support
from support.explored import act
from support.spoilt import FAULTS, LIMITS, spoilt

from fsm_orch import Final, Machine, State
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import step
from fsm_orch.proof.explore import play
from fsm_orch.proof.explore.exploration import explore


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_kernel_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The theorems are checked after every step by other lines than the kernel's own."""
    fault = FAULTS[name]
    monkeypatch.setattr(play, "step", spoilt(fault))

    found = explore(Support.definition, limits=LIMITS, max_configurations=60)

    assert fault.theorem in {broken.breach.theorem for broken in found.broken}
    assert fault.theorem not in found.held


def test_a_closed_guard_that_is_passed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """T1 asks the guard again, on the context that was committed."""

    class Open(Machine[Flags]):
        """Pass."""

        start = State(act, initial=True, writes=(Flags.b,))
        done, human = Final(), Final(fallback=True)
        on = start.to(done, guard=is_a & is_b)

    def open_to_all(compiled: CompiledMachine, now: Configuration | None, event: Input) -> Step:
        holds = compiled.holds
        vars(compiled)["holds"] = lambda handoff, context: holds(handoff, context)._replace(holds=True)
        try:
            return step(compiled, now, event)
        finally:
            vars(compiled)["holds"] = holds

    monkeypatch.setattr(play, "step", open_to_all)

    assert ["T1"] == [broken.breach.theorem for broken in explore(Open.definition).broken]
