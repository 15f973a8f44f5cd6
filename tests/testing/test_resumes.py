"""Runs that are resumed from every prefix of their journals: what must hold, and that a fault is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support import asking, branches, levels
from support.desk import Support
from support.killing import Office, Shop
from support.lanes import in_both_lanes

from fsm_orch import Machine
from fsm_orch.run import driver
from fsm_orch.run.desk import AttemptDesk
from fsm_orch.testing import assert_resumes

MACHINES: dict[str, type[Machine[Any, Any]]] = {
    "a desk": Support,
    "code that pays": Shop,
    "branches, tools and a human": Office,
    "two humans at once": asking.Both,
    "a race": branches.First,
    "parallel in a nested machine": branches.Outer,
    "three levels of models": levels.High,
    "two models at once": levels.Two,
    "a tool that needs approval": asking.clerk("pay", approval=True),
    "a tool that may be used again": asking.clerk("look", repeatable=True),
}


@in_both_lanes(few=3, many=100)
@pytest.mark.parametrize("name", MACHINES)
def test_runs_go_on_from_every_prefix(name: str, examples: int) -> None:
    """Whatever models, agents, tools and humans do before their process ends, and after it."""
    assert_resumes(MACHINES[name], journals=examples)


def begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may have begun begins again."""
    monkeypatch.setattr(driver.resume, "note_begun", lambda run, claim: None)


def leaves_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests leave before they are stored."""

    async def unwritten(desk: AttemptDesk) -> None:
        desk.check()

    monkeypatch.setattr(AttemptDesk, "written", unwritten)


def forgets_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks what came while nobody drove the run."""
    raise NotImplementedError


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (begins_anew, r"must not be done twice was begun 2 times under 'drawn:\d+'"),
        (leaves_unwritten, r"T3: it was charged [\d,]+ tokens, and paid"),
    ],
)
def test_a_fault_is_found(
    spoil: Callable[[pytest.MonkeyPatch], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says after which input the process ended, and what broke."""
    spoil(monkeypatch)

    with pytest.raises(AssertionError, match=rf"(?s)Shop does not go on .* ended after input \d+, '\w+'.*{said}"):
        assert_resumes(Shop, journals=50)
