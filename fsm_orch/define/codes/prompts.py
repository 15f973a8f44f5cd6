"""Codes about agents that are models: what they are told, and whether they are needed (5xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM501",
        title="Shared prompt",
        problem="Two models are told the same.",
        why="Which of them a query is handed to makes no difference but the bill.",
        expected="agents that are told apart by instructions, `does`, `must_not`, tools, or what they read and write",
        fix="say what each is for in does=(...), or make them one state",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
                  sales = State(LLMAgent("Answer.", reads=(Ticket.query,)))
            -     repairs = State(LLMAgent("Answer.", reads=(Ticket.query,)))
            +     repairs = State(LLMAgent("Answer.", does=("answer about repairs",), reads=(Ticket.query,)))
                  answered, human = Final(), Final(fallback=True)
                  to_sales, to_repairs = look.to(sales), look.to(repairs)
                  done = (sales | repairs).to(answered, "it is answered")
                  to_human = (sales | repairs).to(human, "anything else")
        """,
    ),
    Code(
        code="FSM502",
        title="Model without a scope",
        problem="A model writes fields, and neither `does` nor `must_not` says what is its job.",
        why="It answers whatever it is asked, also what another agent, or nobody, should answer.",
        expected="a scope on every model that does more than route",
        fix='say it: LLMAgent(..., does=("answer questions about ...",), must_not=("promise ...",))',
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look = State(work, initial=True)
            -     bills = State(LLMAgent("Answer.", writes=(Ticket.answer,)))
            +     bills = State(LLMAgent("Answer.", does=("explain bills",), writes=(Ticket.answer,)))
                  answered, human = Final(), Final(fallback=True)
                  to_bills = look.to(bills)
                  done = bills.to(answered, "it is answered")
        """,
    ),
    Code(
        code="FSM503",
        title="Model with one way to go",
        problem="A model has one exit, and writes no field.",
        why="It is asked where to go when there is one way, and each visit is paid for. What it says is of use only if "
        "later agents or the caller read it.",
        expected="models that choose between handoffs, write what they find out, or say what others read",
        fix="let it write what it finds out, give it a choice, or hand off without it",
        levels=("note",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
            +     to_human = triage.to(human, "anything else")
                  done = look.to(answered)
        """,
    ),
    Code(
        code="FSM504",
        title="Machine of one agent",
        problem="The machine is one visit of one model.",
        why="Nothing is handed off, so a plain call of the model would do, unless limits, landing and journal are what "
        "the machine is for.",
        expected="machines that choose between agents",
        fix="call the model without a machine, or leave it",
        levels=("note",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Answer, or route.", reads=(Ticket.query,)), initial=True)
            +     look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  done = triage.to(answered, "it is answered")
                  to_human = triage.to(human, "anything else")
            +     to_look = triage.to(look, "a question about an order")
            +     found = look.to(answered)
        """,
    ),
    Code(
        code="FSM505",
        title="Field that contains itself",
        problem="A model writes a field whose type contains itself.",
        why="Not every provider's strict mode takes a schema without end: Anthropic's refuses the request.",
        expected="fields of a fixed depth",
        fix="write out the levels that are needed, or a flat tuple whose items name their parent",
        levels=("warning",),
        found="check",
        mending="""
              class Part(Context):
                  name: str
            -     parts: tuple["Part", ...] = ()

              class Order(Ticket):
                  parts: tuple[Part, ...] = ()

              class Desk(Machine[Order]):
                  read = State(LLMAgent("Read.", does="read orders", writes=Order.parts), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = read.to(look, "the order is read")
                  done = look.to(answered)
        """,
    ),
)
