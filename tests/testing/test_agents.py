"""Stand-ins: agents given to a runner instead of the machine's, and stores that crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from support.desk import BILLING, REFUND, Support, Ticket

from fsm_orch import Final, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, StartError, State, Visit
from fsm_orch.kernel import inputs
from fsm_orch.store import Head
from fsm_orch.testing import AdversarialAgent, CrashingStore, Tape, assert_replays, tapes, virtual_time
from fsm_orch.testing.crash import Crashed


class Named(Machine[Ticket]):
    """A machine whose agent names a model that cannot be had here."""

    ask = State(LLMAgent("Answer.", model="nowhere:model", writes=(Ticket.answer,)), initial=True)
    answered = Final()
    human = Final(fallback=True)
    done = ask.to(answered, "it is answered")


def believe(visit: Visit[Ticket]) -> dict[object, bool]:
    return {Ticket.verified: True}


def test_an_agent_is_replaced_and_its_state_is_not() -> None:
    """A stand-in works within what its state declares; the other agents are the machine's."""
    model = ScriptedModel([BILLING, REFUND])

    result = Runner(Support, model=model, agents={Support.verify: believe}).run_sync(Ticket(query="no manners"))

    assert Support.answered is result.state
    assert (True, "Refunded I7.") == (result.context.verified, result.context.answer)


def test_the_calls_of_a_stand_in_go_to_the_runners_model() -> None:
    """A model that the replaced agent names is not asked for."""
    model = ScriptedModel([{"answer": "yes"}])

    result = Runner(Named, model=model, agents={Named.ask: Named.ask.agent}).run_sync(Ticket(query="?"))  # type: ignore[dict-item]

    assert ("yes", 1) == (result.context.answer, len(model.requests))


def test_a_foreign_state_is_refused() -> None:
    """An agent for another machine's state is a mistake, told before any run."""
    with pytest.raises(
        StartError, match=r"<State ask> is not a state of Support: give one of Support\.triage, Support\.billing"
    ):
        Runner(Support, model=ScriptedModel([]), agents={Named.ask: believe})


@given(tapes())
def test_an_adversarial_agent_never_breaks_a_run(tape: Tape) -> None:
    """Adversaries in every state, calls and all, leave T1 to T6 and the replay whole."""
    agents = dict.fromkeys(Support.definition.states.values(), AdversarialAgent(tape))
    with virtual_time() as loop:
        model = ScriptedModel(["fine"] * 99)
        result = loop.run(Runner(Support, model=model, agents=agents).run(Ticket(query="?")))

    assert_replays(Support, result)


@pytest.mark.parametrize(("keeps", "kept"), [("nothing", 0), ("everything", 2)])
def test_a_crash_keeps_what_it_says(keeps: str, kept: int) -> None:
    """The write that fails keeps nothing or all of itself; those after it fail too, and keep nothing."""
    said = (inputs.Cancelled(at=0.0), inputs.Cancelled(at=1.0))
    inner = MemoryStore()
    store = CrashingStore(inner, writes=0, keeps=keeps)  # type: ignore[arg-type]

    async def write() -> tuple[object, ...]:
        for start in (0, kept):
            with pytest.raises(Crashed):
                await store.append("r", start, said, Head("a"), epoch=1)
        return await inner.load("r")

    with virtual_time() as loop:
        assert said[:kept] == loop.run(write())
