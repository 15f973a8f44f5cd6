"""A kernel with a wrong rule of rounds: the theorems are checked by other lines than its own, and find each."""

from __future__ import annotations

import re

import pytest
from support.spoilt_rounds import PLANTED, Busy

from fsm_orch.proof.explore.exploration import explore


@pytest.mark.parametrize("name", PLANTED)
def test_a_wrong_rule_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each breaks a theorem in some run that is explored, and what is said names it."""
    fault = PLANTED[name]
    fault.plant(monkeypatch)

    broken = {found.breach.theorem: found.breach.detail for found in explore(Busy.definition).broken}

    assert fault.theorem in broken
    assert re.search(fault.said, broken[fault.theorem])


def test_the_right_rules_break_nothing() -> None:
    """Without a fault all theorems hold, and every run was explored."""
    found = explore(Busy.definition)

    assert found.is_complete
    assert not found.broken
