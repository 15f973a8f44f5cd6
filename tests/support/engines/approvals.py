"""A machine whose runs ask a model, wait for a human, and ask a model again."""

from __future__ import annotations

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, State


class Favour(Context):
    """What somebody wants, if a human lets them."""

    name: str
    found: str | None = None
    told: str | None = None


class Approvals(Machine[Favour]):
    """Find it, ask a human, and tell of it."""

    find = State(LLMAgent("Find it.", reads=Favour.name, writes=Favour.found, calls=6), initial=True, timeout_s=60)
    approve = State(HumanAgent("May they have it?", reads=Favour.name), expires_s=86_400)
    tell = State(LLMAgent("Tell of it.", reads=Favour.name, writes=Favour.told, calls=6), timeout_s=60)
    done, declined, human = Final(), Final(), Final(fallback=True)
    found = find.to(approve, "it is found")
    yes, no = approve.to(tell, "yes"), approve.to(declined, "no")
    late = approve.on_timeout(declined)
    end = tell.to(done, "it is told")
    limits = Limits(tokens=60_000, deadline_s=600, visit_s=60)


class Hurried(Machine[Favour]):
    """Ask a human, who has a second."""

    ask = State(HumanAgent("May they have it?", reads=Favour.name), initial=True, expires_s=1)
    done, declined, human = Final(), Final(), Final(fallback=True)
    yes, no = ask.to(done, "yes"), ask.to(declined, "no")
    late = ask.on_timeout(declined)
