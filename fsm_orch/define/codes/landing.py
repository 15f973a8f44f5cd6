"""Codes about the ways out of a state, and runs that find none (2xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM201",
        title="Overlapping guards",
        problem="Two exits of a state of code can be open at once.",
        why="Unless the agent proposes one, the first that was declared is taken, so the order of the lines decides.",
        expected="exits of code of which one is open at a time, and a last one without a guard for all else",
        fix="let the guard of the later exit exclude the earlier one",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look, rush = State(work, initial=True), State(work)
                  answered, human = Final(), Final(fallback=True)
                  hurry = look.to(rush, guard=is_urgent)
            -     plain = look.to(answered, guard=is_paid)
            +     plain = look.to(answered, guard=is_paid & ~is_urgent)
                  other = look.to(human)
                  done = rush.to(answered)
        """,
    ),
    Code(
        code="FSM202",
        title="Dead end behind guards",
        problem="A state can be entered when all its exits are closed.",
        why="A run that stands there can only be landed: the customer gets the default answer, and nobody declared it. "
        "It is judged with all agents available; what one that is away closes, a check says under `if away`.",
        expected="states with a way out in every case, even if it leads to the fallback",
        fix="declare a last handoff without a guard",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered, guard=is_paid)
            +     unpaid = look.to(human)
        """,
    ),
    Code(
        code="FSM203",
        title="Agent that can close its own exits",
        problem="An agent writes what the guards of its exits read, and can close all of them by it.",
        why="What it writes in good faith leaves the run nowhere to go, so the run is landed.",
        expected="states with a way out in every case, even if it leads to the fallback",
        fix="declare a last handoff without a guard",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, writes=(Ticket.paid,), initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered, guard=is_paid)
            +     unpaid = look.to(human)
        """,
    ),
    Code(
        code="FSM204",
        title="Guard that never holds",
        problem="No context opens this guard, or a part of it.",
        why="A guard that raises counts as closed, so a typo in it closes the handoff for good and in silence. A "
        "policy about such a guard always holds, or never does: it checks nothing.",
        expected="guards that hold on some context",
        fix="mend the guard, or remove what it stands on",
        levels=("error", "warning"),
        found="check",
        mending="""
              @guard
              def is_answered(ticket: Ticket) -> bool:
            -     return ticket.answered is not None
            +     return ticket.answer is not None

              class Desk(Machine[Ticket]):
                  look = State(work, writes=Ticket.answer, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered, guard=is_answered)
                  other = look.to(human)
        """,
    ),
    Code(
        code="FSM205",
        title="Handoff that no run takes",
        problem="Runs enter the state that a handoff leaves, and none of them takes it.",
        why="It looks like a way out, but no run takes it. What it was meant for does not happen.",
        expected="handoffs that some run takes, with all agents available",
        fix="mend the guards or the limits, or remove it",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look, send = State(work, initial=True), State(work)
                  sent, human = Final(), Final(fallback=True)
                  to_send = look.to(send, guard=is_paid)
                  to_human = look.to(human)
            -     unpaid = send.to(human, guard=~is_paid)
                  done = send.to(sent)
        """,
    ),
    Code(
        code="FSM206",
        title="Exit that exhaustion forces",
        problem="A model or a human is left one exit of several: visits, hops or money have closed the others.",
        why="A critic whose rounds are used up would be left with nothing but to approve. It is offered "
        "`none_of_these` then, which takes the edge of a refusal, or lands the run. An agent that is away closes exits "
        "too.",
        expected="models that can refuse what is left to them, and lead somewhere by it",
        fix="nothing, if landing is right; else raise the limit that closes the others, or declare on_refusal(...)",
        levels=("note",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  write = State(LLMAgent("Write.", does=("write",), writes=Ticket.answer), max_visits=2, initial=True)
                  review = State(LLMAgent("Review.", does=("review",), reads=Ticket.answer))
                  answered, human = Final(), Final(fallback=True)
                  written = write.to(review, "it is written")
                  good = review.to(answered, "it is good")
                  again = review.to(write, "it is not")
            +     bad = review.on_refusal(human)
        """,
    ),
    Code(
        code="FSM207",
        title="Way that is longer than the hops",
        problem="A machine has a way through that takes more hops than its limit, though visits bound each cycle.",
        why="On that way the run is landed before its end, such as before the human who was to decide. Often a state "
        "was added, or visits were raised, and the limit stayed. Without a cycle it is a warning, unless nobody knows "
        "whether guards let a run go that way.",
        expected="as many hops as the longest way has",
        fix="raise the hops: without a cycle, or by the visits of each cycle, the machine ends in any case",
        levels=("warning", "note"),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look, check, send = State(work, initial=True), State(work), State(work)
                  sent, human = Final(), Final(fallback=True)
                  straight = look.to(send, guard=is_paid)
                  looked = look.to(check)
                  checked = check.to(send)
                  done = send.to(sent)
            -     limits = Limits(hops=2)
            +     limits = Limits(hops=3)
        """,
    ),
)
