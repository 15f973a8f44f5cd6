"""A machine that pays money back once a human has said yes, for tests of who is told that it waits."""

from __future__ import annotations

from fsm_orch import Context, Final, HumanAgent, Machine, Parallel, State, Visit


class Claim(Context):
    """What is claimed."""

    query: str
    card: str
    answer: str | None = None


def pay(visit: Visit[Claim]) -> dict[object, str]:
    """Pay it back."""
    return {Claim.answer: "It is paid."}


class PayBack(Machine[Claim]):
    """Pay money back, once a human approves."""

    approve = State(HumanAgent("Pay this back?", reads=(Claim.query, Claim.card)), initial=True, expires_s=3_600)
    refund = State(pay, writes=Claim.answer)
    paid = Final()
    declined = Final(fallback=True, sets={Claim.answer: "We do not pay this back."})

    yes = approve.to(refund, "pay")
    no = approve.to(declined, "decline")
    late = approve.on_timeout(declined)
    done = refund.to(paid)


class Signed(Context):
    """What two sign."""

    query: str
    first: str | None = None
    second: str | None = None


class TwoSign(Machine[Signed]):
    """Have two humans sign at once."""

    sign = State(
        Parallel(
            HumanAgent("Sign first.", reads=Signed.query, writes=Signed.first),
            HumanAgent("Sign second.", reads=Signed.query, writes=Signed.second),
        ),
        initial=True,
    )
    signed = Final()
    unsigned = Final(fallback=True, sets={Signed.first: "nobody"})
    done = sign.to(signed)
