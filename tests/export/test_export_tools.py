"""Policies that speak of tools, exported: SPIN and TLC find what the explorer finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import checkers
from support.clerks import VERDICTS, Shop

from fsm_orch.export.promela import promela
from fsm_orch.export.tla import module_name, tla

BROKEN = frozenset(n for n, policy in enumerate(Shop.policies) if VERDICTS[str(policy)] == "violated")


@pytest.mark.skipif(checkers.why_no_spin() != "", reason=checkers.why_no_spin())
def test_spin_agrees_about_tools(tmp_path: Path) -> None:
    """A use is a moment of its visit, up to `asks` times in each, and one that must come before a reply does."""
    definition = Shop.definition

    seen = checkers.spin(promela(definition), (*definition.states, *definition.finals), tmp_path)

    assert BROKEN == seen.broken
    assert frozenset({*definition.states, *definition.finals}) == seen.places


@pytest.mark.skipif(checkers.why_no_tlc() != "", reason=checkers.why_no_tlc())
def test_tlc_agrees_about_tools(tmp_path: Path) -> None:
    """So it is in TLA+."""
    (seen,) = checkers.tlc({module_name(Shop.definition): tla(Shop.definition)}, tmp_path)

    assert BROKEN == seen.broken


def test_a_tool_that_no_policy_speaks_of_is_not_in_the_model() -> None:
    """It can neither break anything nor open anything."""
    silent = replace(Shop.definition, policies=())

    assert "/* tools */" not in promela(silent)
    assert "Uses(s) == {}" in tla(silent)
