"""Codes about limits, and what runs need of them (3xx)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM301",
        title="State that no run can afford",
        problem="A state is too many hops away, or its first call costs more than a run may.",
        why="No run ever enters it, whatever the models say.",
        expected="states that a run can afford to enter",
        fix="raise the limit, shorten the way, or give its agent lower caps or a cheaper model",
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  look, rush, send = State(work, initial=True), State(work), State(work)
                  sent, human = Final(), Final(fallback=True)
                  to_rush = look.to(rush)
                  to_send = rush.to(send)
                  done = (look | send).to(sent)
            -     limits = Limits(hops=2)
            +     limits = Limits(hops=3)
        """,
    ),
    Code(
        code="FSM302",
        title="Limits that no answer fits",
        problem="The cheapest path to an answer needs more than the limit, if each agent on it uses one call in full.",
        why="A run gets to an answer only if its calls happen to be short. The others are landed.",
        expected="limits that some path to an answer fits into",
        fix="raise the limit, or lower the caps of the agents on that path",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  expert = State(LLMAgent("Answer.", reads=(Ticket.query,)))
                  answered, human = Final(), Final(fallback=True)
                  to_expert = triage.to(expert, "a question about an order")
                  done = expert.to(answered, "it is answered")
                  to_human = (triage | expert).to(human, "anything else")
            -     limits = Limits(tokens=4_000)
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM303",
        title="Limit that is never reached",
        problem="The worst run takes less than the limit.",
        why="Nothing goes wrong now. After a change of the machine it may take more, up to the limit, unnoticed.",
        expected="any limit; a lower one would warn you when the machine changes",
        fix="nothing, or lower it to what the worst run takes",
        levels=("note",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
            -     limits = Limits(tokens=9_000)
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM304",
        title="Failure edge that cannot be paid for",
        problem="When a visit fails, less may be left than the first call of the next state takes.",
        why="The rescue is refused in the very case it was declared for, and the run lands instead.",
        expected="failure edges that can be taken whenever they are needed; else the run lands instead",
        fix="raise the limit, or hand failures to code or to a final state",
        levels=("warning",),
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  quick = State(LLMAgent("Answer at once.", reads=(Ticket.query,)), initial=True)
                  careful = State(LLMAgent("Think, then answer.", reads=(Ticket.query,)))
                  answered, human = Final(), Final(fallback=True)
                  done = (quick | careful).to(answered, "it is answered")
                  to_human = (quick | careful).to(human, "anything else")
                  rescue = quick.on_failure(careful)
            -     limits = Limits(tokens=6_000)
            +     limits = Limits(tokens=6_912)
        """,
    ),
    Code(
        code="FSM305",
        title="Worst case above the limit",
        problem="The worst run takes more than the limit, so the ledger may land it.",
        why="You asked with --require-slack that no run lands for lack of tokens, hops or money.",
        expected="worst cases within the limits, since --require-slack was given",
        fix="raise the limit, or lower visits, calls or caps on that path",
        found="check",
        options=("--require-slack",),
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
            -     limits = Limits(tokens=4_000)
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM306",
        title="Cost limit without a price",
        problem="Cost is limited, and the price of a model is not known.",
        why="What a call costs cannot be reserved before it is sent, so no run starts.",
        expected="models of a known price, where cost is limited",
        fix="name a model whose price is known, or limit tokens alone",
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
                  triage = State(LLMAgent("Route.", reads=(Ticket.query,)), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
                  model = "compatible:ours"
            -     limits = Limits(tokens=4_608, cost_usd="0.05")
            +     limits = Limits(tokens=4_608)
        """,
    ),
    Code(
        code="FSM307",
        title="Fallback without a second call",
        problem="An agent that makes one call a visit has a fallback for its model.",
        why="The next model is asked by a further call of the visit, and there is none: no run starts.",
        expected="2 calls or more where the model is a fallback",
        fix="give the agent calls=2 or more, or name one model",
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
            -     triage = State(LLMAgent("Route.", reads=(Ticket.query,), calls=1), initial=True)
            +     triage = State(LLMAgent("Route.", reads=(Ticket.query,), calls=2), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
                  model = "openai:gpt-5-mini,anthropic:claude-haiku-4-5"
        """,
    ),
    Code(
        code="FSM308",
        title="Settings that a model refuses",
        problem="An agent has ModelSettings that its model does not take.",
        why="A setting is never dropped, so no run starts.",
        expected="settings that the model takes",
        fix="leave them out of its ModelSettings, or name another model",
        found="check",
        mending="""
              class Desk(Machine[Ticket]):
            -     triage = State(LLMAgent("Route.", reads=Ticket.query, settings=ModelSettings(seed=7)), initial=True)
            +     triage = State(LLMAgent("Route.", reads=Ticket.query), initial=True)
                  look = State(work)
                  answered, human = Final(), Final(fallback=True)
                  to_look = triage.to(look, "a question about an order")
                  to_human = triage.to(human, "anything else")
                  done = look.to(answered)
                  model = "openai:gpt-5-mini"
        """,
    ),
)
