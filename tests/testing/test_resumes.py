"""Runs that are resumed from every prefix of their journals: what must hold, and that a fault is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.each_kind import MACHINES
from support.killing import Counter, Shop
from support.lanes import in_both_lanes

from fsm_orch import Machine, MemoryStore
from fsm_orch.run import driver
from fsm_orch.run.desk import AttemptDesk
from fsm_orch.testing import assert_resumes


@in_both_lanes(few=3, many=20, most=100)
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


def forgets_cancellations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that a cancellation was asked for."""

    async def forgotten(store: MemoryStore, run_id: str) -> bool:
        return True

    monkeypatch.setattr(MemoryStore, "ask_cancel", forgotten)


def forgets_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that an answer was posted."""

    async def forgotten(store: MemoryStore, run_id: str, question: str, id: str, answer: Any, **more: Any) -> str:
        return id

    monkeypatch.setattr(MemoryStore, "post", forgotten)


@pytest.mark.parametrize(
    ("spoil", "machine", "said"),
    [
        (begins_anew, Shop, r"must not be done twice was begun 2 times under 'drawn:\d+'"),
        (leaves_unwritten, Shop, r"T3: it was charged [\d,]+ tokens, and paid"),
        (forgets_cancellations, Shop, r"a cancellation was asked for\n.* effects begun after the cancellation"),
        (
            forgets_answers,
            Counter,
            r"the answer 'posted' that was posted is in no input",
        ),
    ],
)
def test_a_fault_is_found(
    spoil: Callable[[pytest.MonkeyPatch], None],
    machine: type[Machine[Any, Any]],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message says after which input the process ended, and what broke."""
    spoil(monkeypatch)

    with pytest.raises(
        AssertionError, match=rf"(?s){machine.__name__} does not go on .* ended after input \d+, '\w+'.*{said}"
    ):
        assert_resumes(machine, journals=50)
