"""Which tools a run used before it was landed: told where the run is told of, and the same by each replay."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from hypothesis import given, settings
from msgspec.structs import replace
from support.office import MOODS, SCRIPTS, Job, Office, World, looks_up, model, planned

from fsm_orch import Context, Final, LLMAgent, Machine, MemoryStore, Runner, RunResult, ScriptedModel, State, Tool
from fsm_orch.kernel import inputs
from fsm_orch.kernel.records import Answered, Approved, Asked, Wanted
from fsm_orch.run.used_tools import tools_in_words


def ran(script: Any, moods: Any) -> tuple[RunResult[Job], World, Runner[Job, World]]:
    world, runner = World(moods), Runner(Office, model=model(*script))
    return asyncio.run(runner.run(Job(text="t"), deps=world, run_id="r")), world, runner


@settings(deadline=None, max_examples=40)
@given(SCRIPTS, MOODS)
def test_what_is_told_is_what_was_done(script: Any, moods: Any) -> None:
    """As many uses are told of a tool as the world has seen, whatever came of them, and a replay tells the same."""
    result, world, runner = ran(script, moods)

    seen = sum(often for what, often in world.done.items() if what.startswith("look up"))
    told = re.fullmatch(r"look_up \((?:(once|\d+ times))?(?:, )?(?:(\d+) failed)?\)", result.used_before)
    times, failed = told.groups() if told else (None, None)
    used = 1 if times == "once" else int((times or "0").removesuffix(" times"))
    assert bool(told) == bool(result.used_before) == bool(seen)
    assert used + int(failed or 0) == seen
    assert runner.replay(result.journal).used_before == result.used_before


def test_a_landed_run_says_what_it_used() -> None:
    """It stands behind the reason; one that used nothing, or ended elsewhere, says nothing of it."""
    landed, _, _ = ran([looks_up(7), looks_up(8), {"handoff": "none_of_these"}], (1, 0))
    unused, _, _ = ran([{"handoff": "none_of_these"}], (1,))
    ended, _, _ = ran([looks_up(7), planned()], (1,))

    assert str(landed).splitlines()[0].endswith("; used before: look_up (once, 1 failed)")
    assert "used before" not in str(unused)
    assert ended.landing is None
    assert "used before" not in str(ended)
    assert ended.used_before == "look_up (once)"


class Claim(Context):
    """What somebody wants back."""

    query: str


def charge(cents: int) -> str:
    """Charge a card."""
    return "charged"


def refund(cents: int) -> str:
    """Pay money back."""
    return "paid"


class Till(Machine[Claim]):
    """Charge, and pay back what a person lets it."""

    till = State(
        LLMAgent("Decide.", reads=Claim.query, tools=(charge, Tool(refund, approval=True)), asks=3, calls=4),
        initial=True,
    )
    done, human = Final(), Final(fallback=True)
    end = till.to(done, "it is done")


def use(tool: str) -> dict[str, Any]:
    return {"reply": {"use": {"tool": tool, "arguments": {"cents": 5}}}}


def test_what_a_human_declined_was_not_used_and_what_nobody_answered_is_said() -> None:
    """A run that is cancelled while a question is open has used what was answered, and asked for the rest."""
    script = ScriptedModel([use("charge"), use("refund"), use("refund")])

    async def cancelled() -> RunResult[Claim]:
        store = MemoryStore()
        runner = Runner(Till, model=script, store=store)
        await runner.run(Claim(query="q"), run_id="r")
        await runner.resume("r", False)
        await store.ask_cancel("r")
        return await runner.resume("r")

    assert tools_in_words(asyncio.run(cancelled()).records) == "charge (once), refund (1 asked for, not approved)"


def test_an_answer_is_of_the_visit_that_asked() -> None:
    """Asks are numbered anew in each visit: what a human answers in the next is no answer of a tool before."""
    stamp = ran([looks_up(7), planned()], (1,))[0].records[0].stamp
    of_tool = Asked(stamp=stamp, asks=(Wanted(ask=1, kind="tool", name="mail"),), need=1, is_race=False)
    of_human = Asked(stamp=stamp, asks=(Wanted(ask=1, kind="human", name=""),), need=1, is_race=False)
    told = Answered(stamp=stamp, ask=1, end="answered", ok=True, who="ann", tokens=0, cost=0)

    assert tools_in_words([of_tool, of_human, told]) == "mail (1 unanswered)"
    assert tools_in_words([of_tool, told, of_human]) == "mail (once)"


def test_what_was_approved_may_have_begun_and_what_was_not_did_not() -> None:
    """An approval is of the ask that waits for it alone, in its own machine; what is no longer needed stays so."""
    stamp = ran([looks_up(7), planned()], (1,))[0].records[0].stamp
    pay, inner = Wanted(ask=1, kind="tool", name="pay", is_gated=True), replace(stamp, path=(1,))
    here = Asked(stamp=stamp, asks=(pay, replace(pay, ask=2)), need=1, is_race=True)
    inside = Asked(stamp=inner, asks=(replace(pay, name="send"),), need=1, is_race=False)
    yes = Approved(stamp=stamp, ask=1, who=None)
    over = [Answered(stamp=stamp, ask=ask, end="unneeded", ok=False, who=None, tokens=0, cost=0) for ask in (1, 2)]
    said = "pay (1 unanswered, 1 asked for, not approved), send (1 asked for, not approved)"

    assert tools_in_words([here, inside, yes]) == tools_in_words([here, inside, yes, *over]) == said


def test_what_waits_for_its_approval_is_told_apart_as_its_agent_asks() -> None:
    """A tool that was approved and never answered, in a run that is cancelled, may have begun."""

    async def cancelled(store: MemoryStore, *, is_approved: bool) -> str:
        runner = Runner(Till, model=ScriptedModel([use("refund"), use("refund")]), store=store)
        await runner.run(Claim(query="q"), run_id="r")
        journal = await store.load("r")
        asked = runner.replay(journal).waiting[0]
        if is_approved:
            journal = (*journal, inputs.Answered(ask=1, id="yes", ok=True, value=True, at=1.0))
        assert asked.tool == "refund"
        return runner.replay((*journal, inputs.Cancelled(at=2.0))).used_before

    assert asyncio.run(cancelled(MemoryStore(), is_approved=True)) == "refund (1 unanswered)"
    assert asyncio.run(cancelled(MemoryStore(), is_approved=False)) == "refund (1 asked for, not approved)"


def test_an_answer_is_of_the_machine_that_asked() -> None:
    """Each numbers its own: what is answered in the run itself is no answer inside it."""
    stamp = ran([looks_up(7), planned()], (1,))[0].records[0].stamp
    inside = replace(stamp, path=("part",))
    asked = Asked(stamp=inside, asks=(Wanted(ask=1, kind="tool", name="mail"),), need=1, is_race=False)
    told = Answered(stamp=inside, ask=1, end="answered", ok=True, who=None, tokens=0, cost=0)

    assert tools_in_words([asked, told]) == "mail (once)"
    assert tools_in_words([asked, replace(told, stamp=stamp)]) == "mail (1 unanswered)"
