"""What becomes of every run of a machine in its new version, wherever it may be."""

from __future__ import annotations

import pytest
from support.versions import TO_INVOICES, shop

from fsm_orch import Context, Final, Limits, Machine, State, Visit
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.renames import Renames
from fsm_orch.proof.versions.every import judge_all
from fsm_orch.proof.versions.verdicts import Judgement


class Place(Context):
    """The context of a ring."""

    text: str = ""


def work(visit: Visit[Place]) -> None:
    """Stand for any code."""


def judged(*changes: str, renames: Renames | None = None, room: int = 20_000) -> Judgement:
    """Judge all runs of the shop under a changed one."""
    old, new = CompiledMachine(shop().definition), CompiledMachine(shop(*changes).definition)
    return judge_all(old, new, renames=renames or Renames(), max_places=room)


@pytest.mark.parametrize(
    ("change", "continues", "snapshot", "stranded"),
    [
        ("none", 66, 0, 0),
        ("prompt", 66, 0, 0),
        ("added", 66, 0, 0),
        ("removed", 60, 3, 3),
        ("newread", 10, 26, 30),
        ("required", 0, 0, 66),
        ("tighter", 22, 0, 44),
        ("guardbody", 63, 3, 0),
        ("renamed", 12, 24, 30),
        ("fewer", 66, 0, 0),
        ("more", 66, 0, 0),
        ("entry", 66, 0, 0),
        ("policy", 12, 0, 54),
        ("repeatable", 63, 3, 0),
    ],
)
def test_each_kind_of_change_loses_as_many_places(change: str, continues: int, snapshot: int, stranded: int) -> None:
    """Every place is judged, and as many are lost as there are behind the change."""
    found = judged(change)

    expected = {"stranded": stranded, "snapshot": snapshot, "continues": continues}
    assert {verdict: count for verdict, count in expected.items() if count} == found.places
    assert found.is_complete
    assert found.continues == (continues == 66)


def test_a_rename_that_is_told_loses_nothing() -> None:
    """With its new name told, every place continues."""
    assert judged("renamed", renames=TO_INVOICES).continues


def test_where_there_is_no_room_nothing_is_said_to_continue() -> None:
    """A search that was cut off has not shown that all continue."""
    found = judged("prompt", room=20)

    assert (False, False) == (found.is_complete, found.continues)


def test_a_loss_names_what_is_gone_and_the_shortest_way() -> None:
    """It says how many places are lost, why, and how a run comes there."""
    worst = judged("removed").worst

    assert worst is not None
    assert (3, "state 'verify' is gone", ("triage", "verify")) == (worst.places, worst.why, worst.path)


def test_a_field_under_another_name_is_lost_where_it_is_written() -> None:
    """Runs that have written the field are elsewhere now; all others continue."""
    found = judged("field")

    assert {"snapshot", "continues"} == set(found.places)
    assert ("triage", "billing", "triage") == found.losses[0].path


def ring(most: int) -> CompiledMachine:
    """Return a machine that goes round by one of two states, and may visit the second so often."""

    class Ring(Machine[Place]):
        """Go round."""

        start = State(work, initial=True, max_visits=4)
        one = State(work, max_visits=4)
        two = State(work, max_visits=most)
        done, human = Final(), Final(fallback=True)
        to_one, to_two, end = start.to(one), start.to(two), start.to(done)
        back = (one | two).to(start)
        limits = Limits(hops=6)

    return CompiledMachine(Ring.definition)


def test_a_run_that_can_do_more_hides_none_that_is_stranded() -> None:
    """Of two runs alike to the old version, which has visits to spare, the one that has used one more is lost alone."""
    found = judge_all(ring(4), ring(1))

    assert ("start", "two", "start", "two") == found.losses[0].path
    assert "'two' was visited 2 times, and it allows 1" == found.losses[0].why
