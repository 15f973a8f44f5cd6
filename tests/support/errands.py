"""The machine that the tests of workers drive: two requests to a model for each run."""

from __future__ import annotations

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State


class Errand(Context):
    """What somebody wants."""

    name: str
    found: str | None = None
    told: str | None = None


class Errands(Machine[Errand]):
    """Find it, and tell of it."""

    find = State(
        LLMAgent("Find it.", reads=Errand.name, writes=Errand.found, calls=6), initial=True, timeout_s=60, max_visits=1
    )
    tell = State(LLMAgent("Tell of it.", reads=Errand.name, writes=Errand.told, calls=6), timeout_s=60)
    done, human = Final(), Final(fallback=True)
    on = find.to(tell, "it is found")
    end = tell.to(done, "it is told")
    limits = Limits(tokens=60_000, deadline_s=600, visit_s=60)
