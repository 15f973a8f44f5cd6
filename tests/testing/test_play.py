"""Playing a path: the machine is real, the agents do what the turns say."""

from __future__ import annotations

import pytest
from support.desk import Support, Ticket

from fsm_orch import Limits, StartError
from fsm_orch.kernel import records
from fsm_orch.testing import Turn, play

TRIAGE = Turn(Support.triage, Support.to_billing, tokens=(700,))
BILLING = Turn(Support.billing, Support.to_verify, {Ticket.invoice: "I7", Ticket.answer: None}, tokens=(1_000, 0))
VERIFY = Turn(Support.verify, changes={Ticket.verified: True})
REFUND = Turn(Support.refund, Support.refunded, {Ticket.answer: "Refunded."})
ASKED = Ticket(query="my money back")


def test_a_path_is_played() -> None:
    """Each turn is one visit; what it proposes, writes and uses is what the run shows."""
    result = play(Support, ASKED, [TRIAGE, BILLING, VERIFY, REFUND])

    assert Support.answered is result.state
    assert ["to_billing", "to_verify", "approved", "refunded"] == [hop.handoff for hop in result.path]
    assert (1_700, "Refunded.") == (result.charged_tokens, result.context.answer)


def test_every_call_reserves_what_its_agent_may_use() -> None:
    """A call reserves its agent's caps; one without usage is charged all of it."""
    result = play(Support, ASKED, [Turn(Support.triage, Support.resolved, tokens=(None, 10))])

    admitted = [record for record in result.records if isinstance(record, records.CallReserved)]
    assert [(600, 100), (600, 100)] == [(call.input_tokens, call.output_tokens) for call in admitted]
    assert 710 == result.charged_tokens


@pytest.mark.parametrize(("fails", "goes"), [("timeout", "unsure"), ("error", None), ("denied", None)])
def test_a_failure_is_played(fails: str, goes: str | None) -> None:
    """A visit that fails takes the failure edge for it, or the run lands."""
    result = play(Support, ASKED, [TRIAGE, BILLING, Turn(Support.verify, fails=fails), TRIAGE])  # type: ignore[arg-type]

    assert goes == result.path[2].handoff
    assert result.path[2].source == "verify"


def test_a_refusal_is_final() -> None:
    """A turn that is refused is refused for good, however many repairs the agent has."""
    result = play(Support, ASKED, [Turn(Support.triage, fails="refusal", tokens=(5,))])

    assert ("refusal", 5) == (result.landing and result.landing.reason, result.charged_tokens)


def test_what_is_not_legal_is_not_forced() -> None:
    """A handoff that the kernel refuses is not taken; the landing says why."""
    unverified = Turn(Support.verify, Support.approved, {Ticket.verified: False})

    result = play(Support, ASKED, [TRIAGE, BILLING, unverified, REFUND])

    assert result.landing is not None
    assert ("refusal", Support.human) == (result.landing.reason, result.state)


@pytest.mark.parametrize("turns", [[TRIAGE], [TRIAGE, VERIFY]])
def test_a_run_that_leaves_its_script_fails_the_visit(turns: list[Turn]) -> None:
    """An agent without a turn, or with another state's, says where the run is."""
    result = play(Support, ASKED, turns)

    assert result.landing is not None
    assert "the run is at 'billing'" in result.landing.detail


def test_a_turn_fails_in_a_way_that_there_is() -> None:
    """A misspelt failure is refused where the turn is made, and not played as a success."""
    with pytest.raises(ValueError, match=r"^a turn fails by 'error', 'timeout', 'denied' or 'refusal', not 'tmieout'"):
        Turn(Support.verify, fails="tmieout")  # type: ignore[arg-type]


def test_turns_that_are_left_over_are_not_played() -> None:
    """A run that ends before its script leaves the rest of it: a path says where it went."""
    result = play(Support, ASKED, [Turn(Support.triage, Support.resolved), TRIAGE, BILLING])

    assert ["resolved"] == [hop.handoff for hop in result.path]


def test_time_passes_as_the_turns_say() -> None:
    """A deadline passes without waiting."""
    slow = Turn(Support.triage, Support.to_billing, seconds=9)

    result = play(Support, ASKED, [slow, BILLING], limits=Limits(hops=6, deadline_s=9))

    assert ("deadline", 9) == (result.landing and result.landing.reason, result.seconds)


def test_limits_that_admit_no_start_are_told() -> None:
    """Limits below the first call do not start."""
    with pytest.raises(StartError, match="first call"):
        play(Support, ASKED, [], limits=Limits(tokens=10))
