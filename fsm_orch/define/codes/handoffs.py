"""Codes about single handoffs, guards and the functions behind them (1xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM106",
        title="Duplicate handoff",
        problem="Two handoffs leave a state for the same target, under the same guard.",
        why="The second is never needed. Most likely it was meant for another target, or another guard.",
        expected="one handoff for each target and guard",
        fix="remove it, or give it a guard of its own",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
            -     solved = look.to(answered)
        """,
    ),
    Code(
        code="FSM107",
        title="Handoff without a name",
        problem="A handoff is assigned to no attribute of the class, or its attribute was assigned again.",
        why="A model chooses handoffs by name, and a journal records them by name.",
        expected="every handoff has a name: it is what a model chooses and a journal records",
        fix="assign it to an attribute of its own",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
            -     look.to(answered)
            +     done = look.to(answered)
        """,
    ),
    Code(
        code="FSM109",
        title="Two failure edges of one kind",
        problem="A state has two edges for the same kind of failure.",
        why="A failure edge is taken without asking anybody, so a second one is never taken.",
        expected="one edge for each kind of failure",
        fix="keep one of the two",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
                  late = look.on_timeout(human)
            -     too_late = look.on_timeout(answered)
        """,
    ),
    Code(
        code="FSM112",
        title="Function for another context",
        problem="A guard or an agent is annotated for another context, or for other dependencies.",
        why="It would look for fields that this machine's context does not have, and fail in the middle of a run.",
        expected="functions annotated for the machine's context or a base of it, and for its dependencies",
        fix="annotate it for those, or use another",
        mending="""
              class Order(Context):
                  amount: int

            - def look_up(visit: Visit[Order]):
            + def look_up(visit: Visit[Ticket]):
                  return None

              class Desk(Machine[Ticket]):
                  look = State(look_up, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM113",
        title="Function without a name",
        problem="A guard or an agent is a lambda, a partial, a bound method, or a closure over values.",
        why="The digest names functions. One without a name would make the digest differ from process to process.",
        expected="functions that have a module and a name, so that the digest is the same in every process",
        fix="write it as a def of a module; what varies belongs in the context or the dependencies",
        mending="""
              class Desk(Machine[Ticket]):
            -     look = State(lambda visit: None, initial=True)
            +     look = State(work, initial=True)
                  answered, human = Final(), Final(fallback=True)
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM117",
        title="Handoff without a description",
        problem="A model chooses this handoff, and nothing describes it.",
        why="The description is all that the model sees of it, so it would choose by the name alone.",
        expected="a description on every exit of an LLM agent: it is all that the model sees of it",
        fix="say when to take it",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
            -     to_look = triage.to(look)
            +     to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM121",
        title="Route without one handoff",
        problem="An agent that routes by words or examples names a state to which no handoff leads, or several do.",
        why="The agent proposes a state, and a run moves by handoffs alone, so it must be clear which one is meant.",
        expected="exactly one handoff to each state it routes to",
        fix="declare one handoff to that state",
        mending="""
              class Desk(Machine[Ticket]):
                  answered, human = Final(), Final(fallback=True)
                  look = State(KeywordAgent(Ticket.query, {answered: ("hours",)}, otherwise=human), initial=True)
                  done = look.to(answered)
            +     to_human = look.to(human)
        """,
    ),
)
