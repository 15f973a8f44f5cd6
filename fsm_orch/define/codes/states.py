"""Codes about states, and where runs can go between them (1xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM101",
        title="Not exactly one initial state",
        problem="No state is marked as the initial one, or several are.",
        why="A run would not know where to begin.",
        expected="exactly one state with initial=True",
        fix="mark one state with initial=True, and no other",
        mending="""
              class Desk(Machine[Ticket]):
            -     look = State(work)
            +     look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM102",
        title="Not exactly one fallback",
        problem="No final state is the fallback, or several are.",
        why="A run that cannot go on is landed in the fallback. Without one it would end in mid-air, with no answer.",
        expected="exactly one Final(fallback=True), where runs are landed",
        fix="declare one, with the default answer in sets={...}",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered = Final()
            +     human = Final(fallback=True, sets={Ticket.answer: "A colleague will get back to you."})
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM103",
        title="Unreachable state",
        problem="No path of handoffs leads from the initial state to this state or final state.",
        why="It is never entered, so most likely a handoff is missing.",
        expected="states that some path leads to from the initial state",
        fix="declare a handoff to it, or remove it",
        mending="""
              class Desk(Machine[Ticket]):
                  look, refund = State(work, initial=True), State(work)
                  answered, human = Final(), Final(fallback=True)
            +     to_refund = look.to(refund)
                  done = (look | refund).to(answered)
        """,
    ),
    Code(
        code="FSM104",
        title="Trap",
        problem="A state has no handoff of its own, or from it only the fallback can be reached.",
        why="Every run that enters it pays for a visit and then gives up.",
        expected="states from which some path leads to a final state that is not the fallback",
        fix="declare a handoff that leads on, or end there with a Final of its own",
        mending="""
              class Desk(Machine[Ticket]):
                  look, refund = State(work, initial=True), State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_refund = look.to(refund)
                  done = look.to(answered)
            -     refunded = refund.to(human)
            +     refunded = refund.to(answered)
        """,
    ),
    Code(
        code="FSM105",
        title="Cycle without a bound",
        problem="A path leads from a state back to it, and no state on the way declares max_visits.",
        why="Two agents, each sure that the other knows, hand one query back and forth until the limits of the whole "
        "run are spent.",
        expected="cycles in which at least one state declares max_visits",
        fix="declare max_visits on a state of the cycle",
        mending="""
              class Desk(Machine[Ticket]):
                  sales = State(LLMAgent("Answer questions about sales.", reads=(Ticket.query,)), initial=True)
            -     repairs = State(LLMAgent("Answer questions about repairs.", reads=(Ticket.query,)))
            +     repairs = State(LLMAgent("Answer questions about repairs.", reads=(Ticket.query,)), max_visits=2)
                  answered, human = Final(), Final(fallback=True)
                  to_repairs = sales.to(repairs, "a question about repairs")
                  to_sales = repairs.to(sales, "a question about sales")
                  done = (sales | repairs).to(answered, "it is answered")
                  other = (sales | repairs).to(human, "anything else")
        """,
    ),
    Code(
        code="FSM110",
        title="Read that some path did not write",
        problem="An agent reads a field that nobody wrote on some path to it; a run may start there (entry=True).",
        why="On that path the agent would work from a default as if it were a result.",
        expected="fields that are written on every path, required, or marked Given or Preset",
        fix="write the field on that path, remove its default, mark it Preset, or do not read it",
        mending="""
              class Desk(Machine[Ticket]):
            -     look = State(work, initial=True)
            +     look = State(work, writes=(Ticket.answer,), initial=True)
                  send = State(work, reads=(Ticket.answer,))
                  sent, human = Final(), Final(fallback=True)
                  to_send = look.to(send)
                  done = send.to(sent)
        """,
    ),
    Code(
        code="FSM118",
        title="Part of another class or of two names",
        problem="A state, final state or handoff belongs to another machine, or has several names.",
        why="What a journal calls it, and which handoffs leave it, would depend on which of them is meant.",
        expected="states, final states and handoffs of this class alone, each under one name",
        fix="declare a part for each name, as an attribute of this class",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
            -     refund = resend = State(work)
            +     refund, resend = State(work), State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_refund, to_resend = look.to(refund), look.to(resend)
                  done = (refund | resend).to(answered)
        """,
    ),
    Code(
        code="FSM119",
        title="Limits that admit no run",
        problem="The limits admit no first call, no visit of some state, or no end but the fallback.",
        why="Every run would be refused or landed, whatever its agents do.",
        expected="limits that admit the first call, a visit of every state, and an end that is not the fallback",
        fix="raise the limits, or lower the caps of the agents",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
            -     limits = Limits(tokens=1_000)
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM123",
        title="Bound out of range",
        problem="The max_visits, attempts, calls, timeout_s or expires_s of a state is a number that bounds nothing.",
        why="With max_visits=0 the state is never entered. A timeout of 0 or infinity limits nothing.",
        expected="whole max_visits, attempts and calls from 1, timeout_s and expires_s above 0 and finite, or None",
        fix="mend the number, or leave it out",
        mending="""
              class Desk(Machine[Ticket]):
            -     look = State(work, max_visits=0, initial=True)
            +     look = State(work, max_visits=1, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM125",
        title="Calls of a plain function",
        problem="A state declares calls for a function that is not async.",
        why="A model is awaited, and a plain def cannot do that: the calls would be paid for and never made.",
        expected="an async def where calls are declared",
        fix="write async def, or leave calls out",
        mending="""
              class Desk(Machine[Ticket]):
            -     def sum_up(visit: Visit[Ticket]): ...
            +     async def sum_up(visit: Visit[Ticket]): ...
                  look = State(sum_up, calls=1, initial=True)
                  send = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_send = look.to(send)
                  done = send.to(answered)
        """,
    ),
)
