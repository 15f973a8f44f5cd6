"""Two teams of AutoGen: a flow with a fan-out, a join and conditions of both kinds, and a swarm with a self-handoff."""

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow, Swarm


class Client:
    """Stand for a client of a model; nothing here is run."""

    def __init__(self) -> None:
        self.model_info = {"function_calling": True, "vision": False, "family": "unknown"}
        self._create_args = {"model": "gpt-4o", "max_tokens": 500}


def search(query: str) -> str:
    """Search the shop."""
    return query


def is_long(message: BaseChatMessage) -> bool:
    """Return whether a message is long."""
    return len(message.to_text()) > 100


def assistant(name: str, **options: object) -> AssistantAgent:
    """Return an agent of that name."""
    return AssistantAgent(
        name, Client(), description=f"Does what a {name} does", system_message=f"Be {name}.", **options
    )


writer, facts, style, editor, printer = map(assistant, ("writer", "facts", "style", "editor", "printer"))
builder = DiGraphBuilder()
for each in (writer, facts, style, editor, printer):
    builder.add_node(each)
builder.add_edge(writer, facts, activation_group="first").add_edge(writer, style, activation_group="first")
builder.add_edge(facts, editor).add_edge(style, editor)
builder.add_edge(editor, writer, condition="REVISE", activation_group="again", activation_condition="any")
builder.add_edge(editor, printer, condition=is_long)
flow = GraphFlow(
    builder.get_participants(),
    graph=builder.set_entry_point(writer).build(),
    max_turns=20,
    termination_condition=MaxMessageTermination(30),
)

swarm = Swarm(
    [
        assistant("triage", handoffs=["billing", Handoff(target="triage", description="to think again"), "human"]),
        assistant("billing", handoffs=["triage"], tools=[search], max_tool_iterations=3, reflect_on_tool_use=True),
        UserProxyAgent("human"),
    ],
    termination_condition=MaxMessageTermination(10),
)
