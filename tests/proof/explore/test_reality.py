"""Real runs: which journals break a policy, and which paths that were found are real."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BeforeValidator, Field, field_validator

from fsm_orch import Context, Final, Given, Machine, Runner, State, Visit, guard, never
from fsm_orch.define import Policy
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.proof.explore.exploration import explore
from fsm_orch.proof.explore.reality import breaks


class Ticket(Context):
    vip: Given[bool] = False
    told: bool = False


@guard
def is_vip(ticket: Ticket) -> bool:
    return ticket.vip


@guard
def is_told(ticket: Ticket) -> bool:
    return ticket.told


def act(visit: Visit[Any]) -> None:
    """Do nothing."""


class Desk(Machine[Ticket]):
    """Land at once, unless it is a VIP."""

    look = State(act, initial=True)
    done = Final()
    human = Final(fallback=True, sets={Ticket.told: True})
    end = look.to(done, guard=is_vip)


@pytest.mark.parametrize("policy", [never(is_told), never(~is_told), never(is_told).before(Desk.human)], ids=str)
@pytest.mark.parametrize("vip", [True, False])
def test_a_run_that_lands_as_it_starts_is_judged_as_it_is_explored(policy: Policy, vip: bool) -> None:
    """It begins with what the caller gave, not with what its fallback has set since."""
    result = Runner(Desk).run_sync(Ticket(vip=vip))
    (judged,) = explore(Desk.definition, policies=(policy,)).policies

    is_broken = breaks(CompiledMachine(Desk.definition), policy, result.journal)

    assert is_broken == (str(policy) == "never(~is_told)")
    assert is_broken <= (judged.verdict == "violated")


class Aliased(Context):
    text: str = Field(alias="Text", min_length=1)

    @field_validator("text")
    @classmethod
    def strip(cls, text: str) -> str:
        return text.strip()


class Careless(Context):
    text: Annotated[str, BeforeValidator(lambda text: text.strip())]


class Picky(Context):
    text: str

    @field_validator("text")
    @classmethod
    def look_up(cls, text: str) -> str:
        return {"known": text}[text]


@pytest.mark.parametrize(("context", "verdict"), [(Aliased, "violated"), (Careless, "violated"), (Picky, "possible")])
def test_validators_of_any_kind_are_asked(context: type[Context], verdict: str) -> None:
    """Fields with another name outside are found, and whatever a validator raises is a no."""
    made: Any = context

    class Shop(Machine[made]):
        """Do it."""

        look = State(act, initial=True)
        done, human = Final(), Final(fallback=True)
        end = look.to(done)

    (judged,) = explore(Shop.definition, policies=(never(Shop.done),)).policies

    assert verdict == judged.verdict
