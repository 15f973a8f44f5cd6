"""What is stored of journals and digests, and how it is recorded.

A stored journal is a text. Of each line the first sign says what the JSON after it is:

    > an input, as journals hold it
    < a record that the kernel made of the input above it
    = where the run stands at the end

Nothing in it depends on the day or the process: time is virtual, ids are given, models follow a script.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from journals.machines import MACHINES, PRICE, compiled
from msgspec.structs import replace
from support.contexts import lines

from fsm_orch import CallFailed, Limits, MemoryStore, Message, Response, Retry, Runner, ScriptedModel, Usage
from fsm_orch.define.changes import values_of
from fsm_orch.define.plain import plain
from fsm_orch.kernel import inputs
from fsm_orch.kernel.begin import started
from fsm_orch.kernel.codec import input_from_json, to_json
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.requests import AskHuman, Request, RunPart, UseTool
from fsm_orch.kernel.step import step
from fsm_orch.testing import virtual_time

STORED = Path(__file__).parent / "stored"

Journal = Sequence[Input]
Recording = tuple[str, Callable[[str], Journal]]
"""The name of a machine, and what makes a journal of it under a run id."""


def live(
    machine: str,
    query: str,
    *script: Any,
    limits: Limits | None = None,
    delay_s: float = 0.25,
    cancel_after_s: float | None = None,
    **options: Any,
) -> Recording:
    """Run a machine by a script, on virtual time; its journal is what a store was given."""

    async def run(run_id: str) -> Journal:
        store = MemoryStore()
        model = ScriptedModel(script, price=PRICE, delay_s=delay_s)
        runner = Runner(MACHINES[machine], model=model, limits=limits, store=store, retry=Retry(jitter_s=0))
        context = MACHINES[machine].definition.context(query=query)
        task = asyncio.create_task(runner.run(context, run_id=run_id, **options))
        await asyncio.wait({task}, timeout=cancel_after_s)
        task.cancel()
        await asyncio.wait({task})
        return tuple(await store.load(run_id))

    def record(run_id: str) -> Journal:
        with virtual_time() as loop:
            return loop.run(run(run_id))

    return machine, record


def folded(machine: str, *events: Input, limits: Limits | None = None) -> Recording:
    """Take inputs as they are: for what no runner brings about yet."""

    def record(run_id: str) -> Journal:
        return started(compiled(machine, limits), {"query": "x"}, run_id=run_id), *events

    return machine, record


def reserved(call: int, at: float = 1.0, *, input_tokens: int = 100, output_tokens: int = 50) -> inputs.CallReserved:
    return inputs.CallReserved(call=call, input_tokens=input_tokens, output_tokens=output_tokens, at=at)


def settled(call: int, used: int | None = 90, at: float = 1.5) -> inputs.CallSettled:
    usage = None if used is None else Usage(requests=1, input_tokens=used, output_tokens=20)
    return inputs.CallSettled(call=call, usage=usage, at=at)


def asked(*requests: Request, at: float = 1.0, need: int = 0, race: bool = False) -> inputs.Asked:
    return inputs.Asked(requests=requests, need=need, is_race=race, at=at)


def answered(number: int, value: Any, by: str = "ann", *, ok: bool = True, at: float = 2.0) -> inputs.Answered:
    who = "Ann" if by == "ann" else None
    return inputs.Answered(ask=number, id=by, ok=ok, value=value, who=who, at=at)


def inside(number: int, event: Input) -> Input:
    return replace(event, path=(number,))


RUN = RunPart(part="bare", context={"query": "x"})
LOOK, PAY = UseTool(name="look_up", arguments={"order": [7]}), UseTool(name="pay")
TO_ACT, OVER, BROKEN = {"handoff": "to_act"}, {"handoff": "over"}, "no JSON"
HUMAN = AskHuman(question="Is that right?", form={"type": "boolean"})
WAIT = replace(asked(HUMAN), expires_at=1_000_000.5)
ANSWERED = inputs.Replied(changes={"answer": "Yes."}, at=3.0)

RECORDINGS: dict[str, Recording] = {
    # what ends well
    "done": live(
        "Desk",
        "an invoice",
        {"handoff": "to_billing"},
        {"handoff": "back", "answer": None},
        {"handoff": "to_billing"},
        {"handoff": "done", "answer": "Paid."},
        thread_id="thread",
        trace_id="trace",
    ),
    "by_code": live("Desk", "a refund, please!"),
    "messages": live(
        "Desk", "so kind", {"handoff": "to_remark"}, "Thank you.", messages=[Message(role="user", content="hello")]
    ),
    "unknown_usage": live("Bare", "x", Response(text=json.dumps(OVER), usage=None)),
    # what is tried again
    "repaired": live(
        "Patient",
        "x",
        BROKEN,
        '{"handoff": "done"} and more',
        '{"handoff": "done", "handoff": "done"}',
        '{"handoff": ',
        "{} {}",
        Response(text="", usage=Usage(requests=1, input_tokens=5, output_tokens=0), finish="refusal"),
        {"handoff": "done"},
        {"handoff": "done", "answer": "a", "amount": 1, "more": 1},
        {"handoff": "done", "answer": "a", "amount": -1},
        {"handoff": "nowhere", "answer": "a", "amount": 1},
        {"handoff": "far", "answer": "a", "amount": 1},
        {"handoff": "done", "answer": "a", "amount": 1},
    ),
    "proposes_nothing": folded(
        "Bare",
        reserved(1),
        settled(1),
        inputs.Replied(at=2.0),
        reserved(2, 2.5),
        inputs.Replied(handoff="over", at=3.0),
    ),
    "fails_once": live("Desk", "a refund that fails once, please!"),
    "released": live("Bare", "x", CallFailed("busy", unsent=True, transient=True), OVER),
    "sent_again": live("Bare", "x", CallFailed("lost", transient=True), OVER),
    # failure edges
    "failure_edge": live("Desk", "a refund that fails always", "Thank you."),
    "timeout_edge": live("Desk", "an invoice", {"handoff": "to_billing"}, {"handoff": "done"}, "Thanks.", delay_s=4),
    "refusal_edge": live("Desk", "an invoice", {"handoff": "to_billing"}, BROKEN, BROKEN, BROKEN),
    # guards
    "guard_raised": live("Desk", "a refund, please"),
    "guard_closed": live("Desk", "a refund!", "Thank you."),
    # landings
    "no_handoff": live("Bare", "stuck", TO_ACT),
    "visits": live("Bare", "go back", TO_ACT, TO_ACT, TO_ACT),
    "hops": live("Bare", "go back", TO_ACT, limits=Limits(hops=2, tokens=20_000)),
    "budget": live("Bare", "go back", TO_ACT, limits=Limits(hops=8, tokens=1_200)),
    "refusal": live("Bare", "x", BROKEN, BROKEN),
    "declined": folded("Bare", reserved(1), settled(1), inputs.Replied(handoff="none_of_these", at=2.0)),
    "shut": folded(
        "Bare",
        inputs.GatesSeen(shut=("act",), at=0.5),
        reserved(1),
        settled(1),
        inputs.Replied(handoff="to_act", at=2.0),
        inputs.GatesSeen(at=2.25),
        inputs.GatesSeen(shut=("act", "ask"), at=2.5),
        reserved(2, 2.5),
        inputs.Replied(handoff="to_act", at=3.0),
    ),
    "undeclared_write": live("Bare", "more", TO_ACT),
    "failure": live("Bare", "fails always", TO_ACT),
    "denied": live("Bare", "x" * 1_000),
    "outcome_unknown": folded(
        "Bare",
        reserved(1),
        settled(1),
        inputs.Replied(handoff="to_act", at=2.0),
        inputs.Failed(reason="outcome_unknown", detail="its worker died", at=3.0),
    ),
    "timeout": live("Bare", "slow", TO_ACT),
    "deadline": live("Bare", "slow", TO_ACT, limits=Limits(hops=8, tokens=20_000, deadline_s=5)),
    "overspent": folded(
        "Bare",
        reserved(1),
        inputs.Replied(handoff="to_act", at=2.0),
        inputs.Overspent(source="ask", visit=0, call=1, tokens=40, cost=25, at=2.5),
    ),
    "overrun": live("Bare", "x", Response(text="{}", usage=Usage(requests=1, input_tokens=5_000, output_tokens=9))),
    "cancelled": live("Bare", "slow", TO_ACT, cancel_after_s=3),
    "cancelled_call": live("Bare", "x", OVER, delay_s=5, cancel_after_s=2),
    # calls that are denied
    "denied_again": folded(
        "Bare", reserved(1, input_tokens=1_051), reserved(1), inputs.Failed(reason="denied", at=2.0)
    ),
    "denied_calls": folded("Bare", reserved(1), settled(1), reserved(2), settled(2), reserved(3)),
    "denied_budget": folded(
        "Bare",
        reserved(1, output_tokens=100, input_tokens=1_000),
        settled(1, None),
        reserved(2),
        inputs.Replied(handoff="over", at=3.0),
        limits=Limits(hops=8, tokens=1_149),
    ),
    "denied_deadline": folded("Bare", reserved(1, 61.0), inputs.Failed(reason="denied", detail="late", at=61.0)),
    # rounds
    "answered": folded("Waits", WAIT, answered(1, {"sure": [True, None]}), ANSWERED),
    "asked_too_often": folded("Waits", *[e for n in range(1, 5) for e in (WAIT, answered(n, n))], WAIT),
    "decided_unasked": folded("Waits", ANSWERED),
    "waiting": folded("Waits", WAIT),
    "waiting_cancelled": folded("Waits", WAIT, inputs.Cancelled(detail="enough", at=5.0)),
    "expired": folded("Waits", WAIT, inputs.Failed(reason="timeout", at=1.0)),
    "tools": folded(
        "Waits",
        asked(LOOK, PAY, PAY),
        answered(2, True),
        answered(3, "not now"),
        answered(1, "there is no order 7", "tools:0:1", ok=False, at=3.0),
        answered(2, {"paid": True}, "tools:0:2", at=3.5),
        replace(ANSWERED, at=4.0),
    ),
    "part": folded(
        "Waits",
        reserved(1),
        asked(RUN, HUMAN),
        inside(1, reserved(1, 1.1)),
        inside(1, settled(1, at=1.2)),
        inside(1, inputs.Replied(handoff="to_act", at=1.3)),
        inside(1, inputs.Replied(at=1.4)),
        answered(2, True),
        ANSWERED,
    ),
    "race": folded(
        "Waits",
        asked(RUN, RUN, LOOK, need=1, race=True),
        inside(2, reserved(1, 1.1)),
        inside(1, reserved(1, 1.1)),
        inside(1, settled(1, at=1.2)),
        inside(1, inputs.Replied(handoff="over", at=1.3)),
        ANSWERED,
    ),
    "part_denied": folded("Waits", asked(RUN), limits=Limits(hops=3, tokens=3_000)),
    "part_cut_off": folded("Waits", asked(RUN), inside(1, reserved(1, 1.1)), inputs.Failed(reason="timeout", at=2.0)),
}
"""By the name of the stored journal, and of the run."""


def told(machine: str, journal: Iterable[Input]) -> str:
    """Fold a journal, and return the text that is stored of it."""
    made: list[str] = []
    now: Configuration | None = None
    on = None
    for event in journal:
        if isinstance(event, inputs.Started):
            on = compiled(machine, event.limits)
        assert on is not None
        stepped = step(on, now, event)
        now = stepped.configuration
        made += [f"> {to_json(event).decode()}", *(f"< {to_json(record).decode()}" for record in stepped.records)]
    assert now is not None
    end = {
        "machine": machine,
        "status": now.status,
        "state": now.state,
        "hops": now.hops,
        "settled": [now.ledger.settled.tokens, now.ledger.settled.cost],
        "context": {name: plain(value) for name, value in values_of(now.context).items()},
    }
    return "\n".join([*made, f"= {json.dumps(end, sort_keys=True)}", ""])


def read(text: str) -> tuple[str, list[Input]]:
    """Return the machine and the journal of a stored text."""
    signed = [line.partition(" ") for line in text.splitlines()]
    (end,) = (json.loads(line) for sign, _, line in signed if sign == "=")
    return end["machine"], [input_from_json(line) for sign, _, line in signed if sign == ">"]


def recorded() -> dict[str, str]:
    """Return the text of every recording, by its name."""
    return {name: told(machine, record(name)) for name, (machine, record) in RECORDINGS.items()}


def digests() -> dict[str, str]:
    """Return the digest of every machine of the gallery and of those here, by its name."""
    from figures import desks

    from machines import helpdesk, incident, shop

    gallery = (shop.ShopFloor, incident.FrontDesk, helpdesk.ByKeyword, helpdesk.ByModel, desks.Hybrid)
    return {f"{made.__module__}:{made.__name__}": made.definition.digest for made in (*gallery, *MACHINES.values())}


def files() -> dict[str, str]:
    """Return what is stored, by the name of its file."""
    journals = {f"{name}.journal": text for name, text in recorded().items()}
    made = "\n".join([*lines(), ""])
    return {**journals, "digests.json": json.dumps(digests(), indent=2) + "\n", "dialects.jsonl": made}


def main() -> None:
    """Write every file anew, and remove those of recordings that are gone."""
    made = files()
    STORED.mkdir(exist_ok=True)
    for path in STORED.iterdir():
        if path.name not in made:
            path.unlink()
    for name, text in made.items():
        (STORED / name).write_text(text, encoding="utf-8")


def fold_again() -> None:
    """Write what the stored journals fold to now; their inputs stay as an older version wrote them."""
    for path in STORED.glob("*.journal"):
        path.write_text(told(*read(path.read_text(encoding="utf-8"))), encoding="utf-8")
