"""Codes about where graphs of other frameworks lead, as `fsm-orch import` reads them (601 to 611)."""

from __future__ import annotations

from .code import Code

CODES = (
    Code(
        code="FSM601",
        title="Handoff to itself",
        problem="A node of another framework may go to itself.",
        why="A model that chooses it again and again is stopped by the framework's cap alone, and each round is "
        "paid for.",
        expected="no way from a node to itself, or a state with max_visits",
        fix="remove it, or say max_visits of its state",
        levels=("error",),
        found="import",
        mending="""
              triage = Agent(name="triage", instructions="Decide.", handoff_description="decides")
            - triage.handoffs = [triage]
            + triage.handoffs = []
        """,
    ),
    Code(
        code="FSM602",
        title="Cycle that a cap alone ends",
        problem="Nodes of another framework reach each other, and nothing of theirs ends it.",
        why="They may hand a run round until the framework's cap raises, and each round is paid for.",
        expected="a bound on every cycle",
        fix="say max_visits on one of its states, or break the cycle",
        levels=("error",),
        found="import",
        mending="""
              triage = Agent(name="triage", instructions="Decide.", handoff_description="decides")
              billing = Agent(name="billing", instructions="Explain bills.", handoff_description="bills")
              triage.handoffs = [billing]
            - billing.handoffs = [triage]
            + billing.handoffs = []
        """,
    ),
    Code(
        code="FSM603",
        title="Node never reached",
        problem="A node of another framework is never come to, or a way of it never taken.",
        why="What stands there is not what runs do; often a way was forgotten, or is shut.",
        expected="a way to every node, and ways that can be taken",
        fix="hand off to it, or remove it",
        levels=("error", "warning"),
        found="import",
        mending="""
              graph.add_node("look", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
            + graph.add_edge("look", "write")
            + graph.add_edge("write", END)
            - graph.add_edge("look", END)
        """,
    ),
    Code(
        code="FSM604",
        title="No way to an end",
        problem="A node of another framework has no way to an end.",
        why="A run that comes there goes on until the framework's cap raises.",
        expected="a way to an end from every node",
        fix="add a way out; where a run waits for its user, name that node with --end",
        levels=("error",),
        found="import",
        mending="""
              graph.add_node("look", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
              graph.add_edge("look", "write")
            - graph.add_edge("write", "write")
            + graph.add_edge("write", END)
        """,
    ),
    Code(
        code="FSM605",
        title="Way to nothing",
        problem="A way of another framework names a node that is not there.",
        why="What happens then is the framework's: some raise, and some end the run as if all were well.",
        expected="names of nodes that exist",
        fix="correct the name, add the node, or remove the way",
        levels=("error",),
        found="import",
        mending="""
            - def look(notes: Notes) -> Command[Literal["writer"]]:
            -     return Command(goto="writer")
            + def look(notes: Notes) -> Command[Literal["write"]]:
            +     return Command(goto="write")


              graph.add_node("look", look)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
              graph.add_edge("write", END)
        """,
    ),
    Code(
        code="FSM606",
        title="Targets assumed",
        problem="Where a way of another framework leads is written nowhere.",
        why="Every node is taken as possible, so there may be fewer cycles than are found, and lower costs.",
        expected="targets that are declared: a path_map, Literal[...], or destinations=",
        fix="declare where it may lead",
        levels=("warning",),
        found="import",
        mending="""
              graph.add_node("look", work)
              graph.add_edge(START, "look")
            - graph.add_conditional_edges("look", choose)
            + graph.add_conditional_edges("look", choose, [END])
        """,
    ),
    Code(
        code="FSM607",
        title="Targets read from source",
        problem="Where a way of another framework leads was read from its source.",
        why="A reading of source is no declaration: an edit may change it, and nothing says so.",
        expected="targets that are declared: a path_map, Literal[...], or destinations=",
        fix="declare where it may lead",
        levels=("note",),
        found="import",
        mending="""
              def route(notes: Notes) -> str:
                  return "write" if notes["query"] else END


              graph.add_node("look", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
            - graph.add_conditional_edges("look", route)
            + graph.add_conditional_edges("look", route, ["write", END])
              graph.add_edge("write", END)
        """,
    ),
    Code(
        code="FSM608",
        title="Condition not looked into",
        problem="A way of another framework has a condition, which is not looked into.",
        why="It is taken both to hold and not to hold, so bounds count both ways; a guard of yours would tell more.",
        expected="conditions that the machine knows: guards of its context",
        fix="write it as a guard of the machine",
        levels=("note",),
        found="import",
        mending="""
              billing = Agent(name="billing", instructions="Explain bills.", handoff_description="bills")
            - triage = Agent(name="triage", instructions="Decide.", handoffs=[handoff(billing, is_enabled=is_day)])
            + triage = Agent(name="triage", instructions="Decide.", handoffs=[handoff(billing)])
        """,
    ),
    Code(
        code="FSM609",
        title="Join",
        problem="A node of another framework waits for several others, which run side by side.",
        why="A state is one at a time: bounds of the machine do not speak of work side by side, so it is not "
        "called proved.",
        expected="branches inside one state: Parallel(...)",
        fix="make the branches machines of their own, and run them by Parallel(...); where a function names one node, "
        "say so by its return type, str or Literal[...]",
        levels=("error",),
        found="import",
        mending="""
              graph.add_node("look", work)
              graph.add_node("ask", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
              graph.add_edge("look", "ask")
            - graph.add_edge(["look", "ask"], "write")
            + graph.add_edge("ask", "write")
              graph.add_edge("write", END)
        """,
    ),
    Code(
        code="FSM610",
        title="Fork",
        problem="A node of another framework goes to several nodes at once.",
        why="A state goes one way: bounds of the machine do not speak of work side by side, so it is not called "
        "proved.",
        expected="branches inside one state: Parallel(...)",
        fix="make the branches machines of their own, and run them by Parallel(...); where a function names one node, "
        "say so by its return type, str or Literal[...]",
        levels=("error",),
        found="import",
        mending="""
              graph.add_node("look", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
            - graph.add_edge(START, "write")
            + graph.add_edge("look", "write")
              graph.add_edge("write", END)
        """,
    ),
    Code(
        code="FSM611",
        title="As many as its code pleases",
        problem="A node of another framework starts others, as many as its code pleases.",
        why="How many run is written nowhere, so no bound of the machine speaks of them, and it is not called proved.",
        expected="a bound on how many: Map(..., most=...)",
        fix="make what is sent to a machine of its own, and run it by Map(..., most=...)",
        levels=("error",),
        found="import",
        mending="""
              def spread(notes: Notes) -> list[Send]:
                  return [Send("write", notes) for _ in notes["query"]]


              graph.add_node("look", work)
              graph.add_node("write", work)
              graph.add_edge(START, "look")
            - graph.add_conditional_edges("look", spread, ["write"])
            + graph.add_edge("look", "write")
              graph.add_edge("write", END)
        """,
    ),
)
