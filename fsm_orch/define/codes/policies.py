"""Codes about policies: those that say nothing, and those that some run breaks (4xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM401",
        title="Policy of another machine",
        problem="A policy speaks of a state, final state or handoff that is not an attribute of this class, or of a "
        "tool that its state does not declare.",
        why="No run of this machine ever does it, so the policy would always hold, or never.",
        expected="states, final states, handoffs and declared tools of the same class, and guards of its context",
        fix="name a part of this class",
        mending="""
              class Shop(Machine[Ticket]):
                  sell = State(work, initial=True)
                  sold, human = Final(), Final(fallback=True)
                  done = sell.to(sold)

              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
            -     policies = (eventually(Shop.sold),)
            +     policies = (eventually(answered),)
        """,
    ),
    Code(
        code="FSM402",
        title="Policy of a thing with itself",
        problem="A policy holds one thing against itself.",
        why="Nothing comes before or after itself, so the policy does not say what was meant.",
        expected="a first and a second thing; how often one happens is bounded by at_most",
        fix="name another, or write at_most(1, ...) if it may happen once",
        mending="""
              class Desk(Machine[Ticket]):
                  refund = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = refund.to(answered)
            -     policies = (never(refund).after(refund),)
            +     policies = (at_most(1, refund),)
        """,
    ),
    Code(
        code="FSM411",
        title="Policy that some run breaks",
        problem="A path was found that breaks the policy, and contexts that take it.",
        why="What must never happen will happen, as soon as a model or a customer takes that path.",
        expected="policies that every run keeps",
        fix="close that path: a guard, fewer visits, or one handoff less",
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage, verify, refund = State(work, initial=True), State(work), State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_verify = triage.to(verify)
            -     shortcut = triage.to(refund)
                  verified = verify.to(refund)
                  done = refund.to(answered)
                  policies = (never(refund).before(verify),)
        """,
    ),
    Code(
        code="FSM412",
        title="Policy that some run may break",
        problem="A path was found that breaks the policy, if guards or validators that were not seen through allow it.",
        why="The proof lists all values of a bool, an Enum or a Literal, and of nothing else. What a guard makes of "
        "text or numbers it takes both ways, and it found no values with which a real run takes the path.",
        expected="policies that every run keeps",
        fix="have a guard read a bool, an Enum or a Literal; or close that path",
        levels=("warning",),
        found="check",
        mending="""
              import zlib

              @guard
              def is_sealed(ticket: Ticket) -> bool:
                  return zlib.crc32(ticket.query.encode()) == 7

              class Desk(Machine[Ticket]):
                  look, refund = State(work, initial=True), State(work)
                  answered, human = Final(), Final(fallback=True)
            -     to_refund = look.to(refund, guard=is_sealed)
            +     to_refund = look.to(refund, guard=is_sealed & ~is_urgent)
                  to_human = look.to(human)
                  done = refund.to(answered)
                  policies = (never(refund).after(is_urgent),)
        """,
    ),
    Code(
        code="FSM413",
        title="Policy that was not decided",
        problem="The exploration ended before all runs were seen, and none of those seen breaks the policy.",
        why="A run that was not seen may still break it, so nothing is claimed.",
        expected="policies that were checked on every run",
        fix="give it more room, --max-configurations, or lower the hops or visits of the machine",
        levels=("warning",),
        found="check",
        options=("--max-configurations", "5"),
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
            -     ask = State(work, max_visits=9)
            +     ask = State(work, max_visits=1)
                  answered, human = Final(), Final(fallback=True)
                  to_ask = look.to(ask)
                  back = ask.to(look)
                  done = look.to(answered)
                  policies = (at_most(9, look | ask),)
        """,
    ),
    Code(
        code="FSM414",
        title="Guard that comes too late for a handoff",
        problem="A policy forbids a handoff after a guard, and the visit that takes it writes what the guard reads.",
        why="The handoff is taken before its own visit's writes count: what the guard makes of them comes after it. So "
        "the policy says nothing of them.",
        expected="guards that are known before the visit, or a policy of one moment",
        fix="write never(...).when(...) if the visit's own writes are meant",
        levels=("warning",),
        found="check",
        mending="""
              @guard
              def is_answered(ticket: Ticket) -> bool:
                  return ticket.answer is not None

              class Desk(Machine[Ticket]):
                  look, ask = State(work, writes=Ticket.answer, initial=True), State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_ask = look.to(ask, guard=~is_answered)
                  done = (look | ask).to(answered)
            -     policies = (never(to_ask).after(is_answered),)
            +     policies = (never(to_ask).when(is_answered),)
        """,
    ),
)
