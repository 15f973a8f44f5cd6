"""A shop of which every rule of legality can be tried, and configurations of it."""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from typing import Any

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard
from fsm_orch.amounts import NOTHING, Allowance, Amount, Price, Usage
from fsm_orch.define.states import Handoff
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.ledger import Ledger
from fsm_orch.kernel.legal import objection


class Flags(Context):
    a: bool = False
    b: bool = False
    c: bool = False
    text: str | None = None

    @property
    def is_both(self) -> bool:
        return self.a and self.b

    @cached_property
    def is_cached(self) -> bool:
        return self.b


@guard
def is_a(f: Flags) -> bool:
    return f.a


@guard
def is_b(f: Flags) -> bool:
    return f.b


@guard
def is_both(f: Flags) -> bool:
    return f.is_both


@guard
def is_cached(f: Flags) -> bool:
    return f.is_cached


@guard
def a_then_b(f: Flags) -> bool:
    return f.a and f.b


@guard
def b_then_a(f: Flags) -> bool:
    return f.b and f.a


@guard
def has_x(f: Flags) -> bool:
    return f.text.startswith("x")  # type: ignore[union-attr]


@guard
def breaks(f: Flags) -> bool:
    raise RuntimeError("broken")


@guard
def breaks_after_b(f: Flags) -> bool:
    if f.b:
        raise RuntimeError("broken")
    raise LookupError("broken too")


@guard
def sees_whole(f: Flags) -> bool:
    return f.model_dump()["a"] is True


@guard
def was_set(f: Flags) -> bool:
    return "b" in f.model_fields_set


def work(visit: Any) -> None:
    """Do nothing."""


def llm(**options: Any) -> LLMAgent:
    return LLMAgent("Do it.", max_input_tokens=80, max_output_tokens=20, **options)


class Shop(Machine[Flags]):
    """`start` writes `b` and `text`; `desk` is granted 100 tokens, `code` nothing."""

    start = State(llm(writes=(Flags.b, Flags.text)), initial=True)
    desk = State(llm(), max_visits=2)
    code = State(work, max_visits=2)
    free = State(work)
    done = Final()
    human = Final(fallback=True)

    to_desk = start.to(desk, "x")
    to_code = start.to(code, "x")
    to_free = start.to(free, "x")
    plain_a = start.to(done, "x", guard=is_a)
    written_b = start.to(done, "x", guard=is_b)
    both = start.to(done, "x", guard=is_both)
    cached = start.to(done, "x", guard=is_cached)
    a_first = start.to(done, "x", guard=a_then_b)
    b_first = start.to(done, "x", guard=b_then_a)
    not_a_or_b = start.to(done, "x", guard=~(is_a | is_b))
    text_x = start.to(done, "x", guard=has_x)
    broken = start.to(done, "x", guard=breaks)
    broken_late = start.to(done, "x", guard=breaks_after_b)
    whole = start.to(done, "x", guard=sees_whole)
    was = start.to(done, "x", guard=was_set)
    end = (desk | code | free).to(done, "x")
    again = desk.to(desk, "x")
    lost = start.on_failure(desk)
    limits = Limits(hops=8, tokens=1_000, cost_usd="0.001", deadline_s=60)


PRICES = {"start": Price(Fraction(1), Fraction(1)), "desk": Price(Fraction(2), Fraction(3))}
SHOP = CompiledMachine(Shop.definition, prices=PRICES)


def configuration(
    state: str = "start",
    *,
    context: Context | None = None,
    hops: int = 0,
    visits: dict[str, int] | None = None,
    settled: Amount = NOTHING,
    reserved: Amount = NOTHING,
    limit: Allowance | None = None,
    at: float = 0.0,
    status: Any = "running",
) -> Configuration:
    return Configuration(
        run_id="r",
        thread_id=None,
        trace_id="r",
        status=status,
        state=state,
        context=context or Flags(),
        messages=(),
        visits=visits or {},
        hops=hops,
        ledger=Ledger(limit or Allowance(1_000, 1_000), settled, reserved),
        usage=Usage(),
        ceiling=0,
        at=at,
        visit=None,
    )


def against(handoff: Handoff, now: Configuration, **options: Any) -> str | None:
    found = objection(SHOP, now, handoff, **options)
    return None if found is None else found.reason
