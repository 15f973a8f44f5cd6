"""Codes about nodes of other frameworks, as `fsm-orch import` reads them (612 to 618)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM612",
        title="Not kept",
        problem="Something of another framework has no place in the machine that is made from it.",
        why="The machine does less, or asks models less, than what it was made from.",
        expected="what it does, in the words of the machine",
        fix="write it into the machine by hand, or do without it",
        levels=("note",),
        found="import",
        mending="""
            - triage = Agent(name="triage", instructions="Decide.", output_type=list[str])
            + triage = Agent(name="triage", instructions="Decide.")
        """,
    ),
    Code(
        code="FSM613",
        title="No cap on replies",
        problem="A model of another framework may reply at any length.",
        why="A reply costs up to all that the model can write, and no bound in tokens or money is less than that.",
        expected="a cap on the tokens of a reply",
        fix="cap them where the agent is, or say --output-tokens",
        levels=("warning",),
        found="import",
        mending="""
            - triage = Agent(name="triage", instructions="Decide.")
            + triage = Agent(name="triage", instructions="Decide.", model_settings=ModelSettings(max_tokens=256))
        """,
    ),
    Code(
        code="FSM614",
        title="Any number of requests",
        problem="One visit of a node of another framework may make any number of requests.",
        why="Its model may use tools round after round, until the framework's cap raises.",
        expected="a bound on the requests of one visit",
        fix="say calls= of its state: calls and tool rounds draw from that one number",
        levels=("warning",),
        found="import",
        mending="""
            - triage = Agent(name="triage", instructions="Decide.", tools=[search])
            + triage = Agent(name="triage", instructions="Decide.")
        """,
    ),
    Code(
        code="FSM615",
        title="Choice without a description",
        problem="A model of another framework chooses a node, and is not told what that is for.",
        why="It guesses by the name, and a wrong handoff costs a visit or a wrong answer.",
        expected="a description of every handoff that a model chooses",
        fix="say what it is for, such as by handoff_description",
        levels=("warning",),
        found="import",
        mending="""
            - billing = Agent(name="billing", instructions="Explain bills.")
            + billing = Agent(name="billing", instructions="Explain bills.", handoff_description="bills and refunds")
              triage = Agent(name="triage", instructions="Decide.", handoffs=[billing])
        """,
    ),
    Code(
        code="FSM616",
        title="Instructions not text",
        problem="What a model of another framework is told is computed, or is not told at all.",
        why="It cannot be copied into the machine, which has a line to fill in for it.",
        expected="instructions that are text",
        fix="write them as text; what changes from run to run is a field that the agent reads",
        levels=("note",),
        found="import",
        mending="""
            - triage = Agent(name="triage", instructions=lambda context, agent: "Decide.")
            + triage = Agent(name="triage", instructions="Decide.")
        """,
    ),
    Code(
        code="FSM617",
        title="No request seen",
        problem="No request to a model was seen in the code of a node of another framework.",
        why="It is taken to make none. If it makes one all the same, it is in no bound.",
        expected="code whose requests go through the model of a visit, or calls= by hand",
        fix="look into it; where it asks a model, make its state an LLMAgent, or give calls=",
        levels=("warning",),
        found="import",
        mending="""
            - graph.add_node("look", work)
            - graph.add_edge(START, "look")
            - graph.add_edge("look", END)
            + triage = Agent(name="triage", instructions="Decide.")
        """,
    ),
    Code(
        code="FSM618",
        title="No landing",
        problem="A run of another framework that comes to its cap has no answer.",
        why="The caller gets an exception, after everything was paid for.",
        expected="a final state to land in, with a default answer",
        fix="make it a machine: fsm-orch import ... --write FILE",
        levels=("warning",),
        found="import",
        mending="""
            - triage = Agent(name="triage", instructions="Decide.")
            + from fsm_orch import Context, Final, LLMAgent, Machine, State
            +
            +
            + class Ticket(Context):
            +     query: str
            +
            +
            + class Desk(Machine[Ticket]):
            +     triage = State(LLMAgent("Decide.", reads=(Ticket.query,)), initial=True)
            +     human = Final(fallback=True)
            +     to_human = triage.to(human)
        """,
    ),
)
