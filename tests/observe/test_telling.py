"""Observers are guests: whatever they raise is logged by its kind, and every run goes on to its end."""

from __future__ import annotations

import logging
from functools import partial
from types import MethodType
from typing import Any

import pytest
from support.desk import Support, Ticket
from support.raised import FAILURES, INTERRUPTS

from fsm_orch import Runner, ScriptedModel
from fsm_orch.observe import Record, everywhere


class Hostile:
    """An observer that raises, and whose looks raise too."""

    def __init__(self, error: BaseException, kind: str) -> None:
        self._error = error
        self._kind = kind

    def __call__(self, record: Record) -> None:
        if record.kind == self._kind:
            raise self._error

    def __repr__(self) -> str:
        raise ValueError("no looks")


@pytest.mark.parametrize("kind", ["run_started", "call_reserved", "run_finished"])
@pytest.mark.parametrize("error", [*FAILURES, *INTERRUPTS], ids=repr)
async def test_observers_cannot_hurt_a_run(error: BaseException, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an observer raises, the run is what it is without it, the next observer is told, and the log knows."""
    told: list[Record] = []
    runner = Runner(
        Support, model=ScriptedModel([{"handoff": "resolved"}]), observers=[Hostile(error, kind), told.append]
    )

    result = await runner.run(Ticket(query="hello"))

    assert result.state is Support.answered
    assert list(result.records) == told
    assert f"Hostile raised {type(error).__name__} on {kind}" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [ValueError("secret"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
async def test_what_makes_no_observer_stops_no_run(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    """A run begins without an observer that could not be made, and with all others."""
    told: list[Record] = []

    def broken(definition: object) -> Any:
        raise error

    with everywhere(broken), everywhere(lambda definition: told.append):
        result = await Runner(Support, model=ScriptedModel([{"handoff": "resolved"}])).run(Ticket(query="hello"))

    assert list(result.records) == told
    assert f"broken made no observer: {type(error).__name__}" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("error", [OSError("disk full"), *FAILURES, *INTERRUPTS], ids=repr)
async def test_a_broken_log_stops_no_run(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler of the application's that raises does not touch the run that something is logged of."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    monkeypatch.setattr(logging.getLogger("fsm_orch"), "handlers", [Broken()])
    monkeypatch.setattr("fsm_orch.run.held.HELD_S", -1)  # every step is told of
    runner = Runner(
        Support, model=ScriptedModel([{"handoff": "resolved"}]), observers=[Hostile(ValueError(), "run_started")]
    )

    assert (await runner.run(Ticket(query="hello"))).state is Support.answered


async def test_a_method_of_an_object_without_a_name_is_an_observer(caplog: pytest.LogCaptureFixture) -> None:
    """A method is named by the class of what it calls, where that is no function."""

    def raises(*_: object) -> None:
        raise ValueError

    nameless = MethodType(partial(raises), Support)
    runner = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}]), observers=[nameless])

    assert (await runner.run(Ticket(query="hello"))).state is Support.answered
    assert "functools.partial raised ValueError on run_started" in caplog.text
