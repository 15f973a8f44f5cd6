"""Graphs of LangGraph: a swarm, an agent with tools, and a flow with routers, commands, a fork, a join and a Send."""

from typing import Any, Literal, TypedDict

from langchain.agents import create_agent
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send
from langgraph_swarm import create_handoff_tool, create_swarm


class ChatOpenAI(GenericFakeChatModel):
    """Stand for the model of OpenAI; nothing here is run."""

    model_name: str = "gpt-4o"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        """Take tools as they are."""
        return self


model = ChatOpenAI(messages=iter([]))


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


alice = create_agent(
    model,
    tools=[add, create_handoff_tool(agent_name="Bob", description="Hand over to Bob, who speaks like a pirate")],
    system_prompt="You are Alice, who adds.",
    name="Alice",
)
bob = create_agent(
    model,
    tools=[create_handoff_tool(agent_name="Alice", description="Hand over to Alice, who adds")],
    system_prompt="You are Bob.",
    name="Bob",
)
swarm = create_swarm([alice, bob], default_active_agent="Alice").compile()


class Notes(TypedDict):
    """What nodes share."""

    query: str


def look(notes: Notes) -> Notes:
    """Look it up."""
    return notes


def ask(notes: Notes) -> Notes:
    """Ask a model."""
    return {"query": str(model.invoke(notes["query"]).content)}


def judge(notes: Notes) -> Command[Literal["ask", "write"]]:
    """Judge what was said."""
    return Command(goto="write" if notes["query"] else "ask")


def write(notes: Notes) -> Command[Any]:
    """Write it down."""
    to = "look" if notes["query"] else END
    return Command(goto=to)


def route(notes: Notes) -> str:
    """Return where a run goes."""
    return "ask" if notes["query"] else "judge"


def anywhere(notes: Notes) -> str:
    """Return where a run goes, by what was asked."""
    return notes["query"]


def spread(notes: Notes) -> list[Send]:
    """Return as many as there are letters."""
    return [Send("first", notes) for _ in notes["query"]]


cycle = StateGraph(Notes)
cycle.add_node("look", look)
cycle.add_node("ask", ask)
cycle.add_node("judge", judge)
cycle.add_node("write", write)
cycle.add_node("free", look)
cycle.add_edge(START, "look")
cycle.add_conditional_edges("look", route)
cycle.add_conditional_edges("ask", anywhere)
cycle.add_conditional_edges("free", anywhere, {"yes": "look", "no": END})

wide = StateGraph(Notes)
for name in ("start", "first", "second", "both"):
    wide.add_node(name, look)
wide.add_edge(START, "start")
wide.add_conditional_edges("start", spread, ["first"])
wide.add_edge("start", "second")
wide.add_edge(["first", "second"], "both")
wide.add_edge("both", END)
wide_compiled = wide.compile(interrupt_before=["both"])


def whichever(notes: Notes):  # type: ignore[no-untyped-def]  # its type would say how many it names
    """Return where a run goes, or a list of that."""
    return notes["query"]


forks = StateGraph(Notes)
for name in ("either", "both", "last"):
    forks.add_node(name, look)
forks.add_edge(START, "either")
forks.add_conditional_edges("either", whichever, {"both": "both", "last": "last"})
forks.add_conditional_edges("both", route, {"ask": "last", "judge": END})
forks.add_conditional_edges("both", anywhere, {"yes": "last", "no": END})
