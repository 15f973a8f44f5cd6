"""Runs that are killed at every point, in processes of their own: what must hold, and that a fault is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.killing import Bank, Office, Order, Shop, Trip
from support.servers import postgres

from fsm_orch import Context, Machine, StartError
from fsm_orch.run import driver
from fsm_orch.run.desk import AttemptDesk
from fsm_orch.testing import Kills, assert_survives_kills

FIRST: dict[type[Machine[Any, Any]], Context] = {Shop: Order(text="tea"), Office: Trip()}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database."""
    return f"sqlite:///{tmp_path}/runs.db" if request.param == "sqlite" else postgres().url


@pytest.fixture
def bank(tmp_path: Path) -> Callable[[], Bank]:
    """Makes a bank whose books survive a process."""
    return lambda: Bank(tmp_path / "bank")


@pytest.mark.slow
@pytest.mark.parametrize("machine", FIRST)
def test_a_run_survives_each_kill_and_some_pairs(
    machine: type[Machine[Any, Any]], url: str, bank: Callable[[], Bank]
) -> None:
    """It finishes, pays for what was sent, sends nothing settled again, and begins nothing twice that is once."""
    kills = assert_survives_kills(machine, FIRST[machine], store=url, deps=bank, pairs=12)

    assert (kills.points + 12, kills.trials) == (kills.trials, kills.ends.total())
    assert kills.points > 25
    payments = bank().payments()
    assert len(payments) == len({*payments})


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("machine", FIRST)
def test_a_run_survives_every_pair_of_kills(
    machine: type[Machine[Any, Any]], url: str, bank: Callable[[], Bank], capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed at any point, and killed again at any point of what goes on."""
    kills = assert_survives_kills(machine, FIRST[machine], store=url, deps=bank, pairs=None)

    with capsys.disabled():
        print(f"\n{machine.__name__} at {url.partition(':')[0]}: {kills}")
    assert kills.trials == kills.ends.total() > 500


def killed(bank: Callable[[], Bank]) -> Kills:
    return assert_survives_kills(Shop, Order(text="tea"), deps=bank)


def test_a_request_that_leaves_before_it_is_stored_is_found(
    bank: Callable[[], Bank], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was paid, and the run that goes on does not know of it."""

    async def unwritten(desk: AttemptDesk) -> None:
        desk.check()

    monkeypatch.setattr(AttemptDesk, "written", unwritten)

    with pytest.raises(AssertionError, match=r"Shop does not survive, killed after an answer.*\n.*T3: it was charged"):
        killed(bank)


def test_an_effect_that_is_had_twice_is_found(bank: Callable[[], Bank], monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is begun again after a crash, although nobody said that it may be."""
    monkeypatch.setattr(driver.resume, "note_begun", lambda run, claim: None)

    with pytest.raises(AssertionError, match=r"killed after an effect.*\n.*begun twice under 'killed-.*:2'"):
        killed(bank)


def test_a_system_that_cannot_fork_is_told(bank: Callable[[], Bank], monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no other way to be killed at a point."""
    monkeypatch.delattr("os.fork")

    with pytest.raises(StartError, match="this system cannot fork processes"):
        killed(bank)
