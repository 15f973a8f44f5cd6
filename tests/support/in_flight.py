"""A machine with a model, code, a human and a machine inside, its versions, and runs of it that stand everywhere."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

from msgspec.structs import replace

from fsm_orch import MemoryStore, Runner, RunResult
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input, Started
from fsm_orch.kernel.step import fold
from fsm_orch.models import Request
from fsm_orch.models.scripted import ScriptedModel
from fsm_orch.run.head import head_of
from fsm_orch.run.start import compiled_for
from fsm_orch.run.waiting import Question
from fsm_orch.store import Head, Store

SOURCE = """
from fsm_orch import *
from fsm_orch.agents import Nested

V = {changes!r}

class Trip(Context):
    query: str
    fare: str | None = None

class Fares(Machine[Trip]):
    "Ask what a trip costs."
    ask = State(HumanAgent("What does it cost?", reads=Trip.query, writes=Trip.fare), initial=True)
    found, none = Final(), Final(fallback=True)
    done = ask.to(found)

class Ticket(Context):
    query: str
    verified: bool = False
    fare: str | None = None
    if "newread" in V: order: str | None = None
    if "required" in V: tenant: str
    answer: str | None = None

if "guardbody" in V:
    @guard
    def is_verified(t: Ticket) -> bool: return not t.verified
else:
    @guard
    def is_verified(t: Ticket) -> bool: return t.verified

def check_identity(visit): return {{Ticket.verified: True}}
def pay(visit): return {{Ticket.answer: "paid"}}
def book(visit): return {{Ticket.answer: visit.context.fare}}

B = "invoices" if "renamed" in V else "billing"

class Support(Machine[Ticket]):
    "Support."
    triage = State(LLMAgent("Decide well." if "prompt" in V else "Decide.", reads=Ticket.query,
                            writes=Ticket.order if "newread" in V else ()),
                   initial=True, max_visits=1 if "tighter" in V else 3)
    b = State(LLMAgent("Answer.", reads=(Ticket.query, *((Ticket.order,) if "newread" in V else ())),
                       writes=Ticket.answer), max_visits=3)
    locals()[B] = b
    if "removed" not in V: verify = State(check_identity, writes=Ticket.verified, repeatable=True)
    approve = State(HumanAgent("Pay?", reads=Ticket.query), expires_s=86_400)
    fly = State(Nested(Fares, writes=Ticket.fare))
    refund = State(pay, writes=Ticket.answer, repeatable=True)
    booked = State(book, reads=Ticket.fare, writes=Ticket.answer, repeatable=True)
    if "added" in V: sales = State(LLMAgent("Sell.", reads=Ticket.query, writes=Ticket.answer))
    answered = Final()
    human = Final(fallback=True, sets={{Ticket.answer: "later"}})
    locals()["to_" + B] = triage.to(b, "invoices")
    if "removed" in V: to_approve = triage.to(approve, "money back")
    else:
        to_verify = triage.to(verify, "money back")
        approved = verify.to(approve, guard=is_verified)
        refused = verify.to(human)
    if "added" in V:
        to_sales = triage.to(sales, "buy")
        sold = sales.to(answered, "sold")
    to_fly = triage.to(fly, "a trip")
    flown = fly.to(booked)
    yes, no = approve.to(refund, "pay"), approve.to(human, "decline")
    back = b.to(triage, "not billing")
    done = (b | refund | booked).to(answered, "answered")
    to_human = triage.to(human, "else")
    del b
    limits = Limits(hops=9, tokens=90_000)
"""


def source(*changes: str) -> str:
    """Return the module of the machine with some changes."""
    return SOURCE.format(changes=changes)


def model(seed: int) -> ScriptedModel:
    """Return a model that fills in every form, and decides by chance."""
    rng = random.Random(seed)

    def reply(request: Request) -> Mapping[str, Any]:
        assert request.schema is not None
        return _filled(request.schema, rng)

    return ScriptedModel(repeat(reply))


def _filled(form: Mapping[str, Any], rng: random.Random) -> dict[str, Any]:
    return {
        name: rng.choice(said["enum"]) if "enum" in said else "x" for name, said in form.get("properties", {}).items()
    }


async def to_the_end(runner: Runner[Any, Any], run_id: str, *, seed: int = 0) -> RunResult[Any]:
    """Go on with a stored run, and answer all that it asks, until it has ended."""
    result, rng = await runner.resume(run_id), random.Random(seed)
    while result.status == "waiting":
        result = await runner.resume(run_id, answer_to(result.waiting[0], rng), question=result.waiting[0])
    return result


def answer_to(question: Question, rng: random.Random) -> Any:
    """Return an answer that fits."""
    return _filled(question.form, rng)


async def journals(machine: Any, seeds: Sequence[int]) -> list[tuple[Input, ...]]:
    """Return the journals of runs that have ended, each on another way through the machine."""
    found = []
    for seed in seeds:
        store, run_id = MemoryStore(), f"r{seed}"
        runner = Runner[Any, Any](machine, model=model(seed), store=store)
        await runner.enqueue(machine.definition.context(query="x"), run_id=run_id)
        await to_the_end(runner, run_id, seed=seed)
        found.append(await store.load(run_id))
    return found


async def put_all(store: Store, machine: Any, ended: list[tuple[Input, ...]]) -> dict[str, list[str]]:
    """Store a run for every prefix of journals that has not ended, which nobody owns. Return the states of each."""
    compiled, passed = CompiledMachine(machine.definition), dict[str, list[str]]()
    for journal in ended:
        for cut in range(1, len(journal)):
            first = journal[0]
            assert isinstance(first, Started)
            run_id = f"{first.run_id}-{cut}"
            prefix = (replace(first, run_id=run_id), *journal[1:cut])
            begun = compiled_for(compiled, prefix[0])
            places = [fold(begun, prefix[:end]).state for end in range(1, cut + 1)]
            head: Head = head_of(begun, fold(begun, prefix))
            await store.append(run_id, 0, prefix, head, epoch=1, is_queued=True)
            passed[run_id] = places
    return passed
