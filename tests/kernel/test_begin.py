"""How a run begins: on the definition, kernel and limits that it names, once."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from msgspec.structs import replace
from support.desk import Support
from support.handfed import FORKS, Narrow, Play, cancel, refuses, reply

from fsm_orch import Context, Final, Limits, Machine, Message, Preset, State, Visit
from fsm_orch.amounts import Allowance
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.codec import to_json
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.step import fold, fold_recorded, journal_digest, step

STARTED = inputs.Started(run_id="r", context={}, digest=FORKS.definition.digest, kernel=VERSION, limits=FORKS.limits)


def look(visit: Visit[Any]) -> None:
    """Stand for any code; it is not called."""


def test_a_journal_begins_with_started_and_only_once() -> None:
    """Nothing happens to a run before it started, and it starts once."""
    with pytest.raises(StepError, match="a journal begins with 'started'"):
        step(FORKS, None, cancel())
    with pytest.raises(StepError, match=r"^the journal is empty: it begins with 'started'$"):
        fold(FORKS, [])
    refuses("has started already", FORKS, STARTED)


@pytest.mark.parametrize(("at", "landing"), [(99.9, None), (100.0, "deadline")])
def test_no_agent_begins_at_the_deadline(at: float, landing: str | None) -> None:
    """A run that starts when it has been active for all of its time lands at once."""
    assert 100.0 == FORKS.limits.deadline_s

    assert landing == step(FORKS, None, replace(STARTED, at=at)).configuration.landing


def test_a_journals_digest_is_that_of_its_lines() -> None:
    """Anybody can recompute the digest: the kernel's version, and SHA-256 of the inputs as JSON, one a line."""
    journal = [STARTED, cancel(at=1)]
    lines = b"".join(to_json(event) + b"\n" for event in journal)

    assert journal_digest(journal) == f"k{VERSION}:{hashlib.sha256(lines).hexdigest()}"


def test_a_fold_tells_all_records() -> None:
    """A journal is folded to what the run is, and to the records of every step in order."""
    journal = [STARTED, reply(a=True, b=True), cancel(at=1)]
    play = Play(FORKS)
    told = [*play.last.records]
    for event in journal[1:]:
        play.feed(event)
        told += play.last.records

    assert fold_recorded(FORKS, journal) == (play.now, tuple(told))
    assert fold(FORKS, journal) == play.now


def test_money_is_limited_from_the_start() -> None:
    """The dollars of a run's limits are whole micro-dollars in its ledger."""
    compiled = CompiledMachine(Support.definition, limits=Limits(hops=4, cost_usd="0.005"))

    assert Play(compiled).now.ledger.limit == Allowance(10_000, 5_000)


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ({"digest": "0" * 64}, "on definition '000000000000', and Forks is now '[0-9a-f]{12}'"),
        (
            {"kernel": VERSION + 1},
            f"on kernel {VERSION + 1}, and this is kernel {VERSION}, of another .* of fsm_orch",
        ),
        ({"limits": Limits(tokens=1)}, r"within Limits\(.*\), and the limits here are Limits\(.*\)"),
    ],
    ids=["digest", "kernel", "limits"],
)
def test_a_journal_of_another_machine_kernel_or_limit_is_refused(other: dict[str, Any], how: str) -> None:
    """A journal folds only on what it was made on, and what differs is said alone."""
    with pytest.raises(StepError, match=f"^run r was started {how}: fold it on what it was started on$"):
        step(FORKS, None, replace(STARTED, **other))


def test_all_that_differs_is_said() -> None:
    """Where a journal was made on another machine and kernel, both are said."""
    other = replace(STARTED, digest="0" * 64, kernel=VERSION + 1)

    with pytest.raises(StepError, match=f"on definition '000000000000', and .*; on kernel {VERSION + 1}, and this"):
        step(FORKS, None, other)


class Claim(Context):
    """Fields that a caller may not set."""

    paid: bool = False
    note: str | None = None
    approved: Preset[bool] = False


class Desk(Machine[Claim]):
    """Begins on its defaults alone."""

    look = State(look, initial=True)
    done, human = Final(), Final(fallback=True)
    finish = look.to(done)


@pytest.mark.parametrize(
    ("early", "why"),
    [
        ({"paid": True, "note": "?"}, "paid, note set: only agents write a field with a default: leave it out, or"),
        ({"note": "?", "approved": True}, "note, approved set: approved is marked Preset: only agents write it"),
    ],
)
def test_what_agents_write_is_not_set_at_the_start(early: dict[str, Any], why: str) -> None:
    """A run that begins with fields that only agents write is refused: its policies were proved from the defaults."""
    with pytest.raises(StepError, match=f"^run r cannot start with {why}"):
        Play(CompiledMachine(Desk.definition), **early)


def test_a_start_says_all_that_it_was_given() -> None:
    """The input that begins a run holds the caller's words and names beside those of the machine."""
    said = (Message(role="user", content="hello"),)

    made = started(FORKS, {}, run_id="r", messages=said, thread_id="t", trace_id="x")

    assert made == replace(STARTED, messages=said, thread_id="t", trace_id="x")


def test_a_context_that_does_not_fit_starts_nothing() -> None:
    """A start on a broken context is refused without quoting it."""
    with pytest.raises(
        StepError, match="cannot start on this context: count: Input should be a valid integer"
    ) as error:
        Play(FORKS, count="secret")

    assert "secret" not in str(error.value)


def test_a_run_without_hops_does_not_start() -> None:
    """Without a hop to land with nothing is begun."""
    with pytest.raises(StepError, match="Narrow cannot start with"):
        Play(CompiledMachine(Narrow.definition, limits=Limits(hops=0)))
