"""Two runs compared, hop by hop."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import Phase, given, settings
from support.desk import Support, Ticket
from support.office import MOODS, SCRIPTS, Job, Office, World, looks_up, model, planned

from fsm_orch import Price, Runner, ScriptedModel
from fsm_orch.run.compared import Difference, Went, difference, went


def office(script: Any = (), moods: Any = (1,)) -> Went:
    runner = Runner(Office, model=model(*script))
    return went(runner.compiled, asyncio.run(runner.run(Job(text="t"), deps=World(moods), run_id="r")).journal)


def desk(*replies: Any, **options: Any) -> Went:
    runner = Runner(Support, model=ScriptedModel(replies, **options))
    return went(runner.compiled, runner.run_sync(Ticket(query="x"), run_id="r").journal)


@settings(deadline=None, max_examples=30, phases=[*set(Phase) - {Phase.explain}])
@given(SCRIPTS, MOODS, SCRIPTS, MOODS)
def test_a_difference_has_every_hop_of_both_once_and_in_order(one: Any, moods: Any, two: Any, others: Any) -> None:
    """A run differs from itself in nothing; what its visits took is what it was charged."""
    then, now = office(one, moods), office(two, others)
    found = difference(then, now)

    assert then.hops == tuple(row.then for row in found.rows if row.then is not None)
    assert now.hops == tuple(row.now for row in found.rows if row.now is not None)
    assert all(row.then is None or row.now is None or row.then.state == row.now.state for row in found.rows)
    assert (found.first is None) == all(row.is_same for row in found.rows)
    same = difference(then, then)
    assert (None, (), True) == (same.first, same.fields, same.is_same_end)
    assert str(same).startswith("Same end")
    assert "same fields; as many tokens" in str(same)
    assert then.tokens == sum(hop.tokens for hop in then.hops)


def test_a_hop_that_one_of_them_took_moves_no_other_out_of_its_row() -> None:
    """Beside it stands nothing, and it is the first that differs."""
    then = office([planned("to_both")])
    now = office([planned("to_pay")])
    found = difference(then, now)

    assert [("plan", "plan"), (None, "pay"), ("both", "both"), ("pack", "pack")] == [
        (row.then and row.then.state, row.now and row.now.state) for row in found.rows
    ]
    assert [False, False, True, True] == [row.is_same for row in found.rows]
    assert 0 == found.first


def test_what_was_written_is_in_its_hop_and_at_the_end() -> None:
    """Two runs that went one way differ where they wrote something else first."""
    found = difference(office(), office([planned(plan="b")]))

    assert 0 == found.first
    assert ("a", "b") == tuple(hop.written["plan"] for hop in found.rows[0] if hop)
    assert ("plan",) == found.fields
    assert "Same end: done, other plan; as many tokens." == str(found)


def test_a_sentence_says_the_end_and_what_it_took() -> None:
    """In words that need no table: another end, or the same; how much more, or fewer."""
    price = Price(input=1, output=1)
    done, routed = {"handoff": "resolved"}, {"handoff": "to_billing"}
    cheap, dear = desk(done, price=price), desk(routed, {"handoff": "none_of_these"}, price=price)

    assert "Another end: landed in human (declined) instead of answered; " in str(difference(cheap, dear))
    assert str(difference(cheap, dear)).endswith("% more dollars.")
    assert " % fewer tokens, " in str(difference(dear, cheap))
    assert "instead of none" in str(difference(desk(done), cheap))
    assert isinstance(difference(cheap, cheap), Difference)


def test_of_a_run_that_has_not_ended_it_is_said_where_it_stands() -> None:
    """Its hops so far are compared."""
    runner = Runner(Office, model=model(looks_up(1), planned()))
    whole = asyncio.run(runner.run(Job(text="t"), deps=World(), run_id="r")).journal
    cut, all_of_it = went(runner.compiled, whole[:2]), went(runner.compiled, whole)

    assert "Another end: still in plan instead of done" in str(difference(all_of_it, cut))
    assert () == cut.hops
