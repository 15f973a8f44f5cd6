"""An office in which each kind of work has an effect, in branches too; what it comes to, the world says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from fsm_orch import (
    Context,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Map,
    Parallel,
    Runner,
    ScriptedModel,
    State,
    Tool,
    Visit,
)
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Answered, CallReserved, CallSettled, Input, Started
from fsm_orch.kernel.step import fold, step
from fsm_orch.models import Request
from fsm_orch.run.head import head_of
from fsm_orch.run.start import compiled_for
from fsm_orch.store.values import Origin


class World:
    """What is done in the world, which answers as it likes: another time, otherwise.

    Args:
        moods: what it answers in turn; 0: it fails.
    """

    def __init__(self, moods: Sequence[int] = (1, 2, 3)) -> None:
        self.done: Counter[str] = Counter()
        """What was done, and how often."""
        self._moods: Iterator[int] = cycle(moods)

    def do(self, what: str) -> str:
        """Do something in the world."""
        self.done[what] += 1
        if (mood := next(self._moods)) == 0:
            raise ValueError(what)
        return f"{what} {mood}"


class Job(Context):
    """What is to be done, and what came of it."""

    text: str
    plan: str | None = None
    items: tuple[str, ...] = ()
    paid: str | None = None
    booked: str | None = None
    packed: tuple[str, ...] = ()
    said: str | None = None


async def pay(visit: Visit[Job, World]) -> Any:
    """Pay."""
    return {Job.paid: visit.deps.do("pay")}


def book(visit: Visit[Job, World]) -> Any:
    """Book."""
    return {Job.booked: visit.deps.do("book")}


def look_up(order: int, *, deps: World) -> str:
    """Look up an order."""
    return deps.do(f"look up {order}")


class Item(Context):
    """What is packed."""

    text: str
    item: str
    box: str | None = None


def pack(visit: Visit[Item, World]) -> Any:
    """Pack one thing."""
    return {Item.box: visit.deps.do(f"pack {visit.context.item}")}


class Office(Machine[Job, World]):
    """Plan with a model and its tool, pay, do two things at once, pack each item, and say so."""

    plan = State(
        LLMAgent("Plan.", reads=Job.text, writes=(Job.plan, Job.items), tools=(Tool(look_up),), asks=3, calls=6),
        initial=True,
        max_visits=3,
    )
    pay = State(pay, reads=Job.plan, writes=Job.paid, attempts=2, max_visits=4)
    both = State(
        Parallel(
            book=State(book, reads=Job.plan, writes=Job.booked),
            say=LLMAgent("Say.", reads=Job.plan, writes=Job.said, calls=2),
        ),
        max_visits=3,
    )
    pack = State(
        Map(
            State(pack, reads=(Item.text, Item.item), writes=Item.box),
            over=Job.items,
            item=Item.item,
            into=Job.packed,
            result=Item.box,
            most=3,
        ),
        max_visits=3,
    )
    done, human = Final(), Final(fallback=True)
    to_pay = plan.to(pay, "it is to be paid")
    to_both = plan.to(both, "it is paid")
    unpaid = pay.on_failure(plan)
    paid = pay.to(both)
    undone = both.on_failure(pay)
    on = both.to(pack)
    unpacked = pack.on_failure(both)
    end = pack.to(done)
    limits = Limits(hops=16, tokens=400_000, deadline_s=600, visit_s=60)


def planned(handoff: str = "to_pay", plan: str = "a", items: Sequence[str] = ("x", "y")) -> Mapping[str, Any]:
    """Return what a model plans."""
    return {"handoff": handoff, "plan": plan, "items": list(items)}


def looks_up(*orders: int) -> Mapping[str, Any]:
    """Return that a model asks for its tool."""
    uses = [{"tool": "look_up", "arguments": {"order": order}} for order in orders]
    return {"reply": {"use": uses[0]} if len(uses) == 1 else {"use_all": uses}}


def model(*script: Mapping[str, Any]) -> ScriptedModel:
    """Return a model that plans by a script, as long as it can, and says the same whenever it is asked."""
    lines, last = iter(script), planned()

    def line(request: Request) -> Any:
        system = request.messages[0].content
        if "Say." in system:
            return {"said": "so"}
        said = next(lines, last)
        is_wrapped = "reply" in (request.schema or {})["properties"]
        return said if "reply" in said or not is_wrapped else {"reply": said}

    return ScriptedModel([line] * 99)


async def forked(
    store: Any, runner: Runner[Any, Any], parent: str, run_id: str, at: int = 1, *, effects: bool = False
) -> None:
    """Store a fork of a run that nobody has edited."""
    journal = (await store.load(parent))[:at]
    assert isinstance(journal[0], Started)
    first = replace(journal[0], run_id=run_id)
    compiled = compiled_for(runner.compiled, first)
    inputs = (first, *(_of(run_id, event) for event in journal[1:]))
    head = head_of(compiled, fold(compiled, inputs))
    await store.fork(run_id, Origin(parent, at, effects=effects), inputs, head)


def _of(run_id: str, event: Input) -> Input:
    """Return an input of a fork: what a tool came to is named by its key, which is the run's."""
    if isinstance(event, Answered) and event.id.startswith("p:"):
        return replace(event, id=event.id.replace("p:", f"{run_id}:", 1))
    return event


def unstamped(journal: Sequence[Input]) -> list[Input]:
    """Return a journal without times, and without what names its run."""
    return [_unstamped(event) for event in journal]


def _unstamped(event: Input) -> Input:
    if isinstance(event, Started):
        return replace(event, at=0.0, run_id="", trace_id=None)
    if isinstance(event, Answered):
        return replace(event, at=0.0, id=event.id.partition(":")[2])
    return replace(event, at=0.0)


def cuts(compiled: CompiledMachine, journal: Sequence[Input]) -> list[int]:
    """Return after how many inputs a run may be cut so that it goes on as it did: where nothing is under way."""
    found: list[int] = []
    now = None
    for number, event in enumerate(journal, start=1):
        now = step(compiled, now, event).configuration
        # what a model has answered, or wrote that was refused, no journal holds
        is_told = isinstance(event, CallReserved | CallSettled) or now.visit is None or now.visit.refusals
        if now.visit is not None and not is_told and now.visit.round is None:
            found.append(number)
    return found


SCRIPTS = st.lists(
    st.sampled_from([planned(), planned("to_both"), planned(plan="b", items=()), looks_up(1), looks_up(1, 2, 1)]),
    max_size=5,
)
"""What a model plans, request by request."""
MOODS = st.lists(st.sampled_from([1, 2, 3, 4, 0]), min_size=1, max_size=9).filter(any)
"""What the world answers, in turn."""
