"""What a run may begin with: only what its policies were proved from."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from pydantic import Field, field_serializer, field_validator

from fsm_orch import Context, Final, Given, Limits, Machine, Reply, Runner, StartError, State, Visit
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.errors import StepError
from fsm_orch.kernel import VERSION, inputs
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import step
from fsm_orch.limits import CallLimits
from fsm_orch.proof.bounds.certify import certify


class Loan(Context):
    """What a caller may say of a loan, and what only agents may."""

    text: str
    language: Given[str] = "en"
    approved: bool = False
    noted: str = Field(default_factory=lambda: "now")
    reason: str | None = None

    @field_validator("text")
    @classmethod
    def lower(cls, text: str) -> str:
        return text.casefold()


def by_the_book(visit: Visit[Loan]) -> dict[Any, Any]:
    return {Loan.approved: False}


class Approval(Machine[Loan]):
    """Approve a loan by the book."""

    book = State(by_the_book, writes=(Loan.approved,), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = book.to(done)


@pytest.mark.parametrize("early", [{"approved": True}, {"reason": "a friend"}, {"approved": True, "reason": ""}])
async def test_what_only_agents_write_is_not_brought_along(early: dict[str, Any]) -> None:
    """A run that began with a field set which its policies were proved from the default of does not start."""
    started = inputs.Started(
        run_id="r",
        context={"text": "x", **early},
        digest=Approval.definition.digest,
        kernel=VERSION,
        limits=Approval.limits,
    )

    with pytest.raises(StartError, match=f"Loan comes with {', '.join(early)} set.*Given"):
        await Runner(Approval).run(Loan(text="x", **early))
    with pytest.raises(StepError, match=f"with {', '.join(early)} set: only agents write a field with a default"):
        step(CompiledMachine(Approval.definition), None, started)


async def test_what_callers_give_is_taken() -> None:
    """Required fields, fields marked as given, defaults said aloud and what factories make are all the caller's."""
    said = Loan(text="X", language="fr", approved=False, noted="then", reason=None)

    assert "done" == (await Runner(Approval).run(said)).state.name


class Size(Enum):
    """Values that JSON has no form of: a tuple comes back as a list."""

    SMALL = (1, 2)
    LARGE = (3, 4)


class Sized(Context):
    """A field that is not read back."""

    size: Given[Size] = Size.SMALL


class Flipped(Context):
    """Fields that are read back as something else."""

    ok: bool = False
    secret: str

    @field_serializer("ok")
    def flip(self, ok: bool) -> bool:
        return not ok


def nothing(visit: Visit[Any]) -> None:
    return None


class Measure(Machine[Sized]):
    """Runs on what is not read back."""

    book = State(nothing, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = book.to(done)


class Flip(Machine[Flipped]):
    """Runs on what is read back as something else."""

    book = State(nothing, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = book.to(done)


@pytest.mark.parametrize(
    ("machine", "context", "why"),
    [
        (Measure, Sized(), r"does not come back from JSON \(size: Input should be \(1, 2\) or \(3, 4\)\)"),
    ],
)
def test_what_does_not_come_back_from_json_does_not_start(machine: Any, context: Context, why: str) -> None:
    """A run begins with what its journal holds, so what JSON cannot give back cannot begin one."""
    with pytest.raises(StartError, match=rf"^this \w+ {why}, and ") as refused:
        Runner(machine).run_sync(context)

    assert "hunter2" not in str(refused.value)


def test_a_default_is_not_written_down() -> None:
    """A field that only agents write starts with its default, whatever its serializer would have made of it."""
    result = Runner(Flip).run_sync(Flipped(secret="hunter2"))

    (started, *_) = result.journal
    assert isinstance(started, inputs.Started)
    assert ({"secret": "hunter2"}, False) == (started.context, result.context.ok)


class Stumbles:
    """An agent that makes no call and raises, at its first attempt; its one call is made at the second."""

    spec = AgentSpec(
        kind="llm",
        name="Stumbles",
        calls=1,
        call_limits=CallLimits(max_input_tokens=900, max_output_tokens=100),
        attempts=2,
        canonical={},
    )

    async def act(self, visit: Visit[Any, Any]) -> Reply:
        await visit.model.ask(())
        if visit.attempt == 1:
            raise RuntimeError("not yet")
        return Reply()


class Twice(Machine[Loan]):
    """Two states whose agents may each make one call; the limit is just what both may use."""

    first = State(Stumbles(), initial=True)
    second = State(Stumbles())
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    end = second.to(done)
    limits = Limits(hops=2, tokens=2_000)


def test_a_menu_holds_nothing_for_a_call_that_cannot_come() -> None:
    """Where no call is left, another attempt finds every handoff that can be paid for, as the certificate promises."""
    compiled = CompiledMachine(Twice.definition)
    world: list[Input] = [
        inputs.Started(
            run_id="r", context={"text": "x"}, digest=Twice.definition.digest, kernel=VERSION, limits=Twice.limits
        ),
        inputs.CallReserved(call=1, input_tokens=900, output_tokens=100, at=0),
        inputs.CallSettled(call=1, usage=None, at=0),
        inputs.Failed(reason="error", at=0),
    ]
    now = None
    for event in world:
        now = step(compiled, now, event).configuration

    assert now is not None
    assert "running" == now.status
    assert "slack" == certify(Twice.definition).verdict("tokens")
    assert "second" == step(compiled, now, inputs.Replied(at=0)).configuration.state
