"""How a run begins: on the definition, kernel and limits that it names, once."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support.handfed import FORKS, Narrow, Play, cancel, refuses

from fsm_orch import Limits
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.step import fold, journal_digest, step

STARTED = inputs.Started(run_id="r", context={}, digest=FORKS.definition.digest, kernel=VERSION, limits=FORKS.limits)


def test_a_journal_begins_with_started_and_only_once() -> None:
    """Nothing happens to a run before it started, and it starts once."""
    with pytest.raises(StepError, match="a journal begins with 'started'"):
        step(FORKS, None, cancel())
    with pytest.raises(StepError, match="the journal is empty"):
        fold(FORKS, [])
    refuses("has started already", FORKS, STARTED)


def test_a_journals_digest_names_its_kernel() -> None:
    """Two journals share a digest only if they are the same, under the same kernel."""
    journal = [cancel(at=1)]

    assert journal_digest(journal) == journal_digest(tuple(journal))
    assert journal_digest(journal) != journal_digest([cancel(at=2)])
    assert journal_digest(journal).startswith(f"k{VERSION}:")


@pytest.mark.parametrize(
    ("other", "how"),
    [
        ({"digest": "0" * 64}, "on definition '000000000000', and Forks is now '[0-9a-f]{12}'"),
        ({"kernel": VERSION + 1}, f"on kernel {VERSION + 1}, and this is kernel {VERSION}"),
        ({"limits": Limits(tokens=1)}, r"within Limits\(.*\), and the limits here are Limits\(.*\)"),
    ],
    ids=["digest", "kernel", "limits"],
)
def test_a_journal_of_another_machine_kernel_or_limit_is_refused(other: dict[str, Any], how: str) -> None:
    """A journal folds only on what it was made on, and what differs is said alone."""
    with pytest.raises(StepError, match=f"^run r was started {how}: fold it on what it was started on$"):
        step(FORKS, None, replace(STARTED, **other))


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
