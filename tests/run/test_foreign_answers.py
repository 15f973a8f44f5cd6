"""Answers that are somebody else's: of another machine, by no text of a name, or taken by another agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from support.asking import Claim, Refunds

from fsm_orch import Context, Final, HumanAgent, Machine, MemoryStore, Reply, Runner, State, Visit
from fsm_orch.errors import AnswerError
from fsm_orch.kernel.inputs import Input

YES = {"handoff": "yes", "note": "ok"}


async def waiting(store: MemoryStore) -> tuple[Input, ...]:
    """Run until a human is waited for, and return the journal."""
    return (await Runner(Refunds, store=store).run(Claim(query="x"), run_id="r")).journal


class Mine(Context):
    """Fields of the same names, of another context."""

    note: str


class Elsewhere(Machine[Claim]):
    """Handoffs of the same names, of another machine."""

    approve = State(HumanAgent("Pay?", writes=Claim.note), initial=True)
    paid, human = Final(), Final(fallback=True)
    yes, no = approve.to(paid, "pay"), approve.to(human, "decline")


class Hostile(Mapping[str, Any]):
    """A mapping that raises whatever it is asked."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("secret")

    __iter__ = __len__ = cast("Any", __getitem__)
    items = cast("Any", lambda self: self[""])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Elsewhere.yes, "does not leave 'approve'"),
        ({"handoff": Elsewhere.yes, "note": "x"}, "does not leave 'approve'"),
        ({"handoff": Refunds.done, "note": "x"}, "does not leave 'approve'"),
        ({"handoff": "yes", Mine.note: "x"}, "Mine.note is no field of the Claim"),
        (Hostile(), "is no JSON .RuntimeError.: give plain values"),
    ],
)
async def test_an_answer_of_another_machine_is_none(answer: Any, why: str) -> None:
    """A handoff or a field is this one by what it is, and not by its name; and no object of a caller's does more."""
    store = MemoryStore()
    runner = Runner(Refunds, store=store)
    before = await waiting(store)
    with pytest.raises(AnswerError, match=why) as raised:
        await runner.resume("r", answer)

    assert "secret" not in str(raised.value)
    assert before == await store.load("r")


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [(Refunds.yes, True), ({"handoff": "yes"}, True), ({"note": "x"}, True), ({"handoff": "yes", "note": 5}, False)],
)
async def test_what_an_answer_lacks_is_named(answer: Any, lacks: bool) -> None:
    """Who gives the handoff alone is told of the fields; of an answer that has them all, only what is wrong is said."""
    store = MemoryStore()
    await waiting(store)
    with pytest.raises(AnswerError, match="does not fit") as raised:
        await Runner(Refunds, store=store).resume("r", answer)

    assert lacks == str(raised.value).endswith('; it takes all of {"handoff": "yes" or "no", "note": ...}')


@pytest.mark.parametrize("who", [5, "\ud800"])
async def test_who_answers_is_a_text(who: Any) -> None:
    """It is said that the name is wrong, and not the answer."""
    store = MemoryStore()
    await waiting(store)
    with pytest.raises(AnswerError, match="who= takes text"):
        await Runner(Refunds, store=store).resume("r", YES, who=who)


ACTED = list[int]()


def instead(visit: Visit[Claim]) -> Reply:
    """Take a human's place."""
    ACTED.append(visit.attempt)
    return Reply(handoff="no", changes={Claim.note: "x"})


async def test_who_acts_instead_of_a_human_acts_once() -> None:
    """An answer is tried on an agent of ours alone: what another does with it is not to be done twice."""
    store = MemoryStore()
    await waiting(store)
    ACTED.clear()
    result = await Runner(Refunds, store=store, agents={Refunds.approve: instead}).resume("r", YES)

    assert (Refunds.declined, [2]) == (result.state, ACTED)
