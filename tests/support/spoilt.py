"""Kernels that are wrong in one thing each: whoever checks the theorems must find every one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec import structs

from fsm_orch import Limits
from fsm_orch.amounts import Amount
from fsm_orch.kernel import inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.course import Step
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.records import (
    CallDenied,
    CallReleased,
    CallReserved,
    CallSettled,
    HandedOff,
    Landed,
    Overspent,
    Record,
    RunStarted,
)
from fsm_orch.kernel.step import step

LIMITS = Limits(hops=6, tokens=10_000, cost_usd="1", deadline_s=60)
"""The limits of `Support`, and one of money: with them every fault below breaks its theorem."""


class Fault(NamedTuple):
    """What is wrong with a kernel."""

    theorem: str
    said: str
    """What is said of it, as a regular expression."""
    spoil: Callable[[Configuration | None, Input, Step], Step]
    """Makes the wrong step from the configuration before it, its input, and the right step."""


def spoilt(fault: Fault) -> Callable[[CompiledMachine, Configuration | None, Input], Step]:
    """Return the kernel's `step` with a fault."""
    return lambda compiled, now, event: fault.spoil(now, event, step(compiled, now, event))


def moved(done: Step, **changes: Any) -> Step:
    """Change the configuration."""
    return structs.replace(done, configuration=structs.replace(done.configuration, **changes))


def booked(done: Step, **changes: Amount) -> Step:
    """Add to amounts of the ledger."""
    ledger = done.configuration.ledger
    more = {name: getattr(ledger, name) + amount for name, amount in changes.items()}
    return moved(done, ledger=structs.replace(ledger, **more))


def visited(done: Step, **changes: Any) -> Step:
    """Change the visit that is under way, if there is one."""
    visit = done.configuration.visit
    return moved(done, visit=structs.replace(visit, **changes)) if visit else done


def lied(done: Step, kind: type[Any], **changes: Any) -> Step:
    """Change the records of a kind."""
    told = [structs.replace(record, **changes) if isinstance(record, kind) else record for record in done.records]
    return structs.replace(done, records=tuple(told))


def retold(done: Step, kind: type[Any], tell: Callable[[Any], tuple[Record, ...]]) -> Step:
    """Put other records, or none, in the place of those of a kind."""
    told = [tell(record) if isinstance(record, kind) else (record,) for record in done.records]
    return structs.replace(done, records=tuple(record for some in told for record in some))


def is_over(done: Step) -> bool:
    return done.configuration.status == "finished"


def handed_off(record: RunStarted) -> tuple[Record, ...]:
    return (
        HandedOff(stamp=record.stamp, handoff="to_billing", source="triage", target="billing", messages=0, written=()),
    )


def denied(record: CallReserved) -> tuple[Record, ...]:
    return record, CallDenied(stamp=record.stamp, call=record.call, reason="budget")


def released(record: CallSettled) -> tuple[Record, ...]:
    return (CallReleased(stamp=record.stamp, call=record.call),)


def came_late(record: CallReserved) -> tuple[Record, ...]:
    late = Overspent(stamp=record.stamp, source=record.stamp.state, visit=0, call=7, tokens=5, cost=0)
    return record, late


FAULTS: dict[str, Fault] = {
    "stray": Fault(
        "T1",
        "the run stands in 'answered' after . hops, and its records lead to '(triage', 0|human', 1)",
        lambda now, event, done: moved(done, state="answered", status="finished", visit=None) if now else done,
    ),
    "undeclared": Fault(
        "T1",
        "'approved' is no handoff from 'triage' to 'billing'",
        lambda now, event, done: lied(done, HandedOff, handoff="approved"),
    ),
    "eager": Fault(
        "T1",
        "'to_billing' is no handoff from 'triage' to 'billing'",
        lambda now, event, done: retold(done, RunStarted, handed_off),
    ),
    "misled": Fault(
        "T1",
        "'to_billing' is no handoff from 'triage' to 'human'",
        lambda now, event, done: lied(done, HandedOff, target="human"),
    ),
    "elsewhere": Fault(
        "T1",
        "landed from 'triage' in 'answered'",
        lambda now, event, done: (
            moved(lied(done, Landed, target="answered"), state="answered") if done.configuration.landing else done
        ),
    ),
    "hops": Fault("T2", "9 of 6 hops", lambda now, event, done: moved(done, hops=done.configuration.hops + 9)),
    "last": Fault(
        "T2",
        "6 of 6 hops in 'triage': none left to land",
        lambda now, event, done: moved(done, hops=6) if done.configuration.visit else done,
    ),
    "visits": Fault(
        "T2", "3 visits of 'billing', which may have 2", lambda now, event, done: moved(done, visits={"billing": 3})
    ),
    "uncounted": Fault("T2", "{} are not the visits of 0 hops", lambda now, event, done: moved(done, visits={})),
    "ended": Fault(
        "T2",
        "the run is finished in 'triage', with the visit VisitLog",
        lambda now, event, done: moved(done, status="finished"),
    ),
    "silent": Fault(
        "T2",
        "nothing is recorded of 'replied'",
        lambda now, event, done: Step(now, ()) if now and isinstance(event, inputs.Replied) else done,
    ),
    "stuck": Fault(
        "T2",
        "attempt 1 in 'triage' has ended, and is due again",
        lambda now, event, done: Step(now, done.records) if now and isinstance(event, inputs.Replied) else done,
    ),
    "tokens": Fault(
        "T3", r"1\d\d\d\d tokens and 0 micro-dollars", lambda now, event, done: booked(done, settled=Amount(10_001))
    ),
    "cost": Fault(
        "T3", r"\d+ tokens and 1000001 micro", lambda now, event, done: booked(done, settled=Amount(0, 1_000_001))
    ),
    "overrun": Fault(
        "T3",
        "the run went on after an overrun",
        lambda now, event, done: done if is_over(done) else booked(done, settled=Amount(1), overrun=Amount(1)),
    ),
    "hoarded": Fault(
        "T3", "the visit holds", lambda now, event, done: done if is_over(done) else booked(done, reserved=Amount(1))
    ),
    "held": Fault(
        "T3", "the visit holds", lambda now, event, done: booked(done, reserved=Amount(1)) if is_over(done) else done
    ),
    "calls": Fault("T3", "a visit of 'triage' made 9 calls", lambda now, event, done: visited(done, calls=9)),
    "forgotten": Fault(
        "T3",
        "{} are open by the records, and {1: 700} by the configuration",
        lambda now, event, done: retold(done, CallReserved, lambda record: ()),
    ),
    "denied": Fault(
        "T3", "call 1 was reserved and denied", lambda now, event, done: retold(done, CallReserved, denied)
    ),
    "released": Fault(
        "T3", "call 1 was released unasked", lambda now, event, done: retold(done, CallSettled, released)
    ),
    "overcharged": Fault(
        "T3", "call 1 was charged 9000 tokens", lambda now, event, done: lied(done, CallSettled, tokens=9_000)
    ),
    "excused": Fault(
        "T3",
        "call 1 was charged .*, 77 of them beyond the 700 reserved",
        lambda now, event, done: lied(done, CallSettled, overrun=77),
    ),
    "outlived": Fault(
        "T3",
        r"calls \[1\] outlived their visit",
        lambda now, event, done: retold(done, CallSettled, lambda record: ()) if is_over(done) else done,
    ),
    "invented": Fault(
        "T3",
        "call 7 was charged 5 tokens late, which nobody told",
        lambda now, event, done: retold(done, CallReserved, came_late),
    ),
    "uncharged": Fault(
        "T3", "0 tokens were charged, and 5 are settled", lambda now, event, done: booked(done, settled=Amount(5))
    ),
    "late": Fault(
        "T4",
        "'to_billing' was taken after the deadline",
        lambda now, event, done: moved(done, at=60.0) if isinstance(done.records[0], HandedOff) else done,
    ),
    "called": Fault(
        "T4",
        "an agent is called in 'billing' after the deadline",
        lambda now, event, done: moved(done, at=60.0) if isinstance(event, inputs.Replied) else done,
    ),
    "overtime": Fault(
        "T4",
        "an agent is called in 'billing' after the visit's time",
        lambda now, event, done: moved(done, at=30.0) if isinstance(event, inputs.Replied) else done,
    ),
    "unpunctual": Fault(
        "T4",
        "a call was reserved in 'triage' after the visit's time",
        lambda now, event, done: moved(done, at=30.0) if isinstance(event, inputs.CallReserved) else done,
    ),
    "adrift": Fault(
        "T5",
        "a cancelled run is finished in 'answered'",
        lambda now, event, done: moved(done, state="answered") if isinstance(event, inputs.Cancelled) else done,
    ),
    "speechless": Fault(
        "T5",
        "landed without the default of Ticket.answer",
        lambda now, event, done: (
            moved(done, context=now.context) if now and isinstance(event, inputs.Cancelled) else done
        ),
    ),
}
"""By name; each is one in `Support`."""
