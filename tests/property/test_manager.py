"""A manager with three tools and a machine, over the whole path: at once, exact in its books, true to its policies."""

from __future__ import annotations

from random import Random
from typing import Any

from support.lanes import in_both_lanes
from support.managing import Manager, Order
from support.shop import use, use_all

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.kernel.records import Answered
from fsm_orch.proof import prove
from fsm_orch.proof.explore.reality import breaks
from fsm_orch.testing import Tape, TheoremChecker, virtual_time
from fsm_orch.testing.whole_runs import attacked

ASKED = Order(query="Where is my order, please?")
LOOKED = [("status_of", {"order": 1}), ("status_of", {"order": 2}), ("stock_of", {"item": "cup"})]
DECIDED = {"handoff": "done", "answer": "shipped"}


def test_three_tools_of_a_second_take_one_second() -> None:
    """They run at once; a machine, and what a human approves, come after; the books are exact after every input."""
    script = [use_all(*LOOKED), {"reply": DECIDED}]
    runner = Runner(Manager, model=ScriptedModel(script))
    with virtual_time() as loop:
        result = loop.run(runner.run(ASKED))

    assert result.seconds == 1.0
    assert [record.ok for record in result.records if isinstance(record, Answered)] == [True] * 3
    end = TheoremChecker(runner.compiled).follow_all(result.journal)
    assert (end.ledger.reserved.tokens, end.ledger.settled.tokens) == (0, result.usage.total_tokens)


def test_a_machine_and_an_approval_in_one_visit() -> None:
    """The share of the machine is its own, and of what it cost the bill of the whole knows."""
    script = [use("Shorten", text="long"), {"short": "s"}, use("refund", cents=5), {"reply": DECIDED}]
    runner = Runner(Manager, model=ScriptedModel(script), store=MemoryStore())

    async def whole() -> Any:
        waits = await runner.run(ASKED, run_id="r")
        assert [question.text for question in waits.waiting] == ["Use refund(cents=5)?"]
        return await runner.resume("r", True)

    with virtual_time() as loop:
        result = loop.run(whole())

    assert (result.state, result.usage.requests, result.landing) == (Manager.answered, 4, None)
    end = TheoremChecker(runner.compiled).follow_all(result.journal)
    assert (end.ledger.reserved.tokens, end.ledger.settled.tokens) == (0, result.usage.total_tokens)


def test_all_its_policies_are_proved() -> None:
    """Each speaks of tools, and holds."""
    proof = prove(Manager)

    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * len(Manager.policies)
    assert () == proof.findings


WRITTEN = {"answer": ["a", None], "short": ["s"], "verified": [True, True, False]}
"""By field, what adversaries write."""


@in_both_lanes(few=60, many=1_500, most=20_000)
def test_no_run_breaks_what_was_proved(examples: int) -> None:
    """Adversarial runs break no policy about tools; the books are exact after every input of each."""
    compiled = Runner(Manager, model=ScriptedModel([])).compiled
    seen, approved = set[str](), 0
    for seed in range(examples):
        result = attacked(Manager, ASKED, Tape(Random(seed).randbytes(120)), WRITTEN)
        end = TheoremChecker(compiled).follow_all(result.journal)
        assert 0 == end.ledger.reserved.tokens, seed
        for policy in Manager.policies:
            assert not breaks(compiled, policy, result.journal), (seed, str(policy))
        seen.add(result.state.name if result.landing is None else result.landing.reason)
        approved += any(isinstance(record, Answered) and record.ok for record in result.records)

    assert {"answered", "human"} <= seen
    assert approved > examples / 50
