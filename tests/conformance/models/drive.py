"""Drive a run into a fault, and look at everything that it leaves behind."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from conformance.models.adapters import QUERY, Stage
from conformance.models.expectations import Charge
from support.provider_faults import Fault

from fsm_orch import Context, Final, Given, Limits, LLMAgent, Machine, Retry, Runner, RunResult, State, Tool
from fsm_orch.kernel import records
from fsm_orch.kernel.codec import to_json
from fsm_orch.messages import Message
from fsm_orch.models import Request
from fsm_orch.observe.log import log_records
from fsm_orch.testing import TheoremChecker

HANGING = {"slow", "silent", "endless"}
"""Wires that would keep a run for good, so it is given little time on them."""

_QUICK = Retry(initial_s=0.01, max_s=0.02, jitter_s=0.0)

SCHEMA = {
    "type": "object",
    "properties": {
        "handoff": {"type": "string", "enum": ["accept", "decline"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["handoff", "note"],
    "additionalProperties": False,
}
"""What a single call asks for; a run asks for much the same."""


def request(*texts: str, schema: Any = SCHEMA, cap: int = 100) -> Request:
    """Ask something, after a system's message."""
    asked = [Message(role="user", content=text) for text in texts or (QUERY,)]
    return Request(messages=(Message(role="system", content="Decide."), *asked), schema=schema, max_output_tokens=cap)


class Case(Context):
    """A customer's question."""

    query: str
    note: str = ""
    orders: Given[tuple[int, ...]] = (4711, 815)


@cache
def desk(max_input_tokens: int, max_output_tokens: int) -> type[Machine[Case]]:
    """Build the smallest machine in which a model decides: one triage, two exits, two calls."""
    return _desk(max_input_tokens, max_output_tokens, calls=2)


@cache
def desk_with_tools(max_input_tokens: int, max_output_tokens: int) -> type[Machine[Case]]:
    """Build the same, whose model may use a tool once, and must before it decides; three calls."""
    tool = Tool(order_status, choices={"order": Case.orders})
    return _desk(max_input_tokens, max_output_tokens, calls=3, tools=tool, tool_first=True, asks=1)


def order_status(order: int) -> str:
    """Return where an order is."""
    return "shipped"


def _desk(max_input_tokens: int, max_output_tokens: int, *, calls: int, **tools: Any) -> type[Machine[Case]]:
    class Desk(Machine[Case]):
        """Accept or decline, or land with a human."""

        triage = State(
            LLMAgent(
                "Decide what to do with the query.",
                reads=(Case.query,),
                writes=(Case.note,),
                calls=calls,
                max_input_tokens=max_input_tokens,
                max_output_tokens=max_output_tokens,
                **tools,
            ),
            initial=True,
        )
        accepted = Final()
        declined = Final()
        human = Final(fallback=True)
        accept = triage.to(accepted, "invoices and payments")
        decline = triage.to(declined, "anything else")

        limits = Limits(hops=2, tokens=calls * (max_input_tokens + max_output_tokens))

    return Desk


@dataclass(frozen=True, kw_only=True)
class Call:
    """What the ledger made of one call."""

    reserved: int
    charged: int
    charge: Charge


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **fields: object) -> None:
        self.lines.append(f"{event} {fields!r}")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run that has ended."""

    result: RunResult[Case]
    machine: type[Machine[Case]]
    limits: Limits
    seconds: float
    lines: tuple[str, ...]
    """What was logged."""
    calls: tuple[Call, ...]
    """In order."""
    requests: int
    """How many arrived."""
    reported: tuple[int | None, ...]
    """What each of them reported."""

    @property
    def summary(self) -> str:
        """Say in a few words what the run did."""
        if self.result.landing is None:
            return f"went to {self.result.path[-1].target}"
        refused = {r.reason for r in self.result.records if isinstance(r, records.Refused)}
        why = ", ".join(sorted(refused)) or getattr(self.result.error, "reason", "")
        return f"landed: {self.result.landing.reason}" + (f" ({why})" if why else "")


async def drive(stage: Stage, fault: Fault, build: Callable[[int, int], type[Machine[Case]]] = desk) -> Outcome:
    """Run the desk's machine into a fault, and hold every step of it to the theorems."""
    machine = build(stage.max_input_tokens, stage.max_output_tokens)
    visit_s = 0.4 if fault.wire in HANGING else 25.0 if stage.is_slow else 4.0
    limits = machine.definition.limits.model_copy(update={"visit_s": visit_s, "deadline_s": 1.25 * visit_s})
    log = Lines()
    observers = [log_records(log, texts=True)]
    runner = Runner(machine, model=stage.model, limits=limits, retry=_QUICK, observers=observers)
    start = time.perf_counter()
    result = await runner.run(Case(query=stage.query))
    seconds = time.perf_counter() - start
    TheoremChecker(runner.compiled).follow_all(result.journal)
    return Outcome(
        result=result,
        machine=machine,
        limits=limits,
        seconds=seconds,
        lines=tuple(log.lines),
        calls=tuple(_calls(result)),
        requests=stage.requests(),
        reported=tuple(stage.reported()),
    )


def _calls(result: RunResult[Case]) -> Iterator[Call]:
    reserved = 0
    for record in result.records:
        match record:
            case records.CallReserved():
                reserved = record.input_tokens + record.output_tokens
            case records.CallSettled():
                yield Call(reserved=reserved, charged=record.tokens, charge="usage" if record.usage else "reservation")
            case records.CallReleased():
                yield Call(reserved=reserved, charged=0, charge="nothing")


def written_of(outcome: Outcome) -> str:
    """Write down all of a run that may be stored, logged or shown."""
    result = outcome.result
    stored = [to_json(event) for event in result.journal]
    stored += [to_json(record) for record in result.records]
    shown = [repr(result), repr(result.records), repr(result.journal), *outcome.lines]
    return "\n".join([*shown, *map(bytes.decode, stored)])


def told_of(error: BaseException | None) -> str:
    """Write down all that an exception tells, and those that it hides behind it."""
    if error is None:
        return ""
    shown = [repr(error), str(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
    return "\n".join([*shown, told_of(error.__cause__), told_of(error.__context__)])
