"""What is read of AutoGen, most of which is private, against AutoGen itself."""

import pytest
from support.counted import assuming
from support.read_graphs import blind, the_edge, ways

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed; nox -s adopt installs it")

from collections.abc import Sequence

from adopt.examples import autogen_teams
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent, MessageFilterAgent, MessageFilterConfig
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow, RoundRobinGroupChat, Swarm

from fsm_orch.adopt import autogen
from fsm_orch.adopt.graph import END
from fsm_orch.errors import Unreadable


class Echo(BaseChatAgent):
    """Says again what was said, without a model, and notes that it spoke."""

    def __init__(self, name: str, spoken: list[str], text: str = "again") -> None:
        super().__init__(name, "says it again")
        self.spoken, self.text = spoken, text

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: object) -> Response:
        self.spoken.append(self.name)
        return Response(chat_message=TextMessage(content=self.text, source=self.name))

    async def on_reset(self, cancellation_token: object) -> None: ...


def test_all_ways_of_a_flow_are_read() -> None:
    """A cycle, a leaf, and the end where no condition holds stand in the graph."""
    graph = autogen.read(autogen_teams.flow, "flow")

    assert "writer" == graph.entry
    assert {
        "writer": {"facts", "style"},
        "facts": {"editor"},
        "style": {"editor"},
        "editor": {"writer", "printer", END},
        "printer": {END},
    } == ways(graph)
    assert "assumed" == the_edge(graph, "editor", END).trust


def test_conditions_of_both_kinds_are_kept_as_names() -> None:
    """A text is in the last message by a model's choice, and a function is code."""
    graph = autogen.read(autogen_teams.flow, "flow")
    text, function = the_edge(graph, "editor", "writer"), the_edge(graph, "editor", "printer")

    assert ("'REVISE'", "model", "'REVISE' in the last message") == (text.condition, text.chooses, text.via)
    assert ("is_long", "code") == (function.condition, function.chooses)
    assert any(clause.startswith("editor: every edge whose condition holds") for clause in graph.lost)


def test_forks_and_joins_are_read() -> None:
    """Several edges without a condition are taken at once; what waits for all of several is a join."""
    graph = autogen.read(autogen_teams.flow, "flow")

    assert {"writer"} == graph.forks
    assert {"editor": ("facts", "style")} == graph.joins


def test_what_an_agent_is_told_and_may_ask_is_read() -> None:
    """Instructions, description, model and output cap come from the agent; rounds of tools bound its requests."""
    flow, swarm = autogen.read(autogen_teams.flow, "flow"), autogen.read(autogen_teams.swarm, "swarm")
    writer, billing = flow.nodes["writer"], swarm.nodes["billing"]

    assert ("Be writer.", "Does what a writer does", "gpt-4o", 500, 1) == (
        *(writer.instructions, writer.does, writer.model),
        *(writer.max_output_tokens, writer.calls),
    )
    assert (("search",), 4) == (billing.tools, billing.calls)
    assert ("human", 0) == (swarm.nodes["human"].kind, swarm.nodes["human"].calls)


def test_the_ways_of_a_swarm_are_its_handoffs_and_itself() -> None:
    """An agent that hands off to nobody speaks again; the termination condition may end the team after any agent."""
    graph = autogen.read(autogen_teams.swarm, "swarm")

    assert {
        "triage": {"billing", "triage", "human", END},
        "billing": {"triage", "billing", END},
        "human": {"human", END},
    } == ways(graph)
    assert ["transfer_to_triage", "no handoff"] == [
        edge.via for edge in graph.leaving("triage") if edge.target == "triage"
    ]
    assert ("", "to think again") == tuple(
        edge.description
        for edge in graph.leaving("triage")
        if edge.via in {"transfer_to_billing", "transfer_to_triage"}
    )


def test_the_cap_is_the_teams_own() -> None:
    """A team without `max_turns` has none, and the condition that ends it is said to be lost."""
    flow, swarm = autogen.read(autogen_teams.flow, "flow"), autogen.read(autogen_teams.swarm, "swarm")

    assert (20, None) == (flow.cap.value, swarm.cap.value)
    assert any("MaxMessageTermination" in clause for clause in swarm.lost)


def test_a_swarm_that_nothing_ends_has_no_end() -> None:
    """Without a termination condition no edge ends the run."""
    graph = autogen.read(Swarm([autogen_teams.assistant("alone", handoffs=["alone"])]), "swarm")

    assert {"alone": {"alone"}} == ways(graph)


async def test_several_starts_are_begun_at_once() -> None:
    """A flow with two starts runs both, and so a node that forks stands before them."""
    spoken: list[str] = []
    one, two, last = Echo("one", spoken), Echo("two", spoken), Echo("last", spoken)
    builder = DiGraphBuilder()
    for each in (one, two, last):
        builder.add_node(each)
    builder.add_edge(one, last).add_edge(two, last)
    flow = GraphFlow(builder.get_participants(), graph=builder.build())
    graph = autogen.read(flow, "flow")
    await flow.run(task="go")

    assert {"one", "two"} == ways(graph)[graph.entry]
    assert {graph.entry} == graph.forks
    assert ["last", "one", "two"] == sorted(spoken)
    assert {"one", "two", "last"} == blind(graph)


async def test_all_edges_whose_conditions_hold_are_taken() -> None:
    """AutoGen takes both, which is why the reader says that a machine takes one."""
    spoken: list[str] = []
    first, left, right = Echo("first", spoken, "LEFT and RIGHT"), Echo("left", spoken), Echo("right", spoken)
    builder = DiGraphBuilder()
    for each in (first, left, right):
        builder.add_node(each)
    builder.add_edge(first, left, condition="LEFT").add_edge(first, right, condition="RIGHT")
    flow = GraphFlow(builder.get_participants(), graph=builder.build())
    await flow.run(task="go")

    assert {"first", "left", "right"} == set(spoken)
    assert any("every edge whose condition holds" in clause for clause in autogen.read(flow, "flow").lost)


def test_edges_that_look_for_the_same_text_are_a_fork() -> None:
    """Both are taken whenever it is there."""
    agents = [autogen_teams.assistant(name) for name in ("first", "left", "right")]
    builder = DiGraphBuilder()
    for each in agents:
        builder.add_node(each)
    builder.add_edge("first", "left", condition="GO").add_edge("first", "right", condition="GO")
    graph = autogen.read(GraphFlow(builder.get_participants(), graph=builder.build()), "flow")

    assert {"first"} == graph.forks


def test_edges_of_different_groups_do_not_wait_for_each_other() -> None:
    """A way in and a way back, each of a group of its own, are no join."""
    builder = DiGraphBuilder()
    for name in ("first", "again", "judge", "last"):
        builder.add_node(autogen_teams.assistant(name))
    builder.add_edge("first", "again", activation_group="in").add_edge("judge", "again", "NO", activation_group="back")
    builder.add_edge("again", "judge").add_edge("judge", "last", "YES")
    graph = autogen.read(GraphFlow(builder.get_participants(), graph=builder.build()), "flow")

    assert {} == graph.joins
    assert {"again", "last", END} == ways(graph)["judge"]


def test_a_handoff_to_the_user_ends_a_team_that_says_so() -> None:
    """A name of nobody is an end where the termination condition waits for it, in others too; else it stays a name."""
    agents = [autogen_teams.assistant("alone", handoffs=["user", "nobody"])]
    ending = MaxMessageTermination(9) | (MaxMessageTermination(9) | HandoffTermination(target="user"))
    graph = autogen.read(Swarm(agents, termination_condition=ending), "swarm")

    assert ["transfer_to_user", "the termination condition"] == [edge.via for edge in graph.edges if edge.target == END]
    assert {"nobody", "alone", END} == ways(graph)["alone"]


def test_what_stands_behind_a_filter_is_read() -> None:
    """The agent that is wrapped asks the model, and the filter is said to be lost."""
    wrapped = MessageFilterAgent("alone", autogen_teams.assistant("alone"), MessageFilterConfig(per_source=[]))
    graph = autogen.read(GraphFlow([wrapped], graph=DiGraphBuilder().add_node(wrapped).build()), "flow")

    assert ("Be alone.", 1) == (graph.nodes["alone"].instructions, graph.nodes["alone"].calls)
    assert any(clause.startswith("alone: which messages") for clause in graph.lost)


def test_other_teams_are_not_read() -> None:
    """Who speaks next is computed there."""
    assert not autogen.reads(RoundRobinGroupChat([autogen_teams.assistant("alone")]))


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        *(("team", name) for name in ("_graph", "_input_participants", "_max_turns", "_input_termination_condition")),
        *(("agent", name) for name in ("_model_client", "_system_messages", "_tools", "_max_tool_iterations")),
        ("agent", "_reflect_on_tool_use"),
    ],
)
def test_a_private_name_of_a_flow_that_is_gone_is_named(owner: str, name: str) -> None:
    """The error says the framework, its version and what was missing."""
    agent = autogen_teams.assistant("alone")
    flow = GraphFlow([agent], graph=DiGraphBuilder().add_node(agent).build())
    autogen.read(flow, "flow")
    delattr({"team": flow, "agent": agent}[owner], name)

    with pytest.raises(Unreadable, match=rf"AutoGen cannot be read: \w+ has no '{name}', in autogen-agentchat 0\.7"):
        autogen.read(flow, "flow")


@pytest.mark.parametrize(
    ("owner", "name"), [("team", "_participants"), ("team", "_termination_condition"), ("agent", "_handoffs")]
)
def test_a_private_name_of_a_swarm_that_is_gone_is_named(owner: str, name: str) -> None:
    """The error says the framework, its version and what was missing."""
    agent = autogen_teams.assistant("alone", handoffs=["alone"])
    swarm = Swarm([agent])
    autogen.read(swarm, "swarm")
    delattr({"team": swarm, "agent": agent}[owner], name)

    with pytest.raises(Unreadable, match=rf"AutoGen cannot be read: \w+ has no '{name}', in autogen-agentchat 0\.7"):
        autogen.read(swarm, "swarm")


class OpenAIChatCompletionClient(autogen_teams.Client):
    """Stand for that of autogen_ext, whose name tells the provider."""


def test_a_model_has_the_provider_of_its_client() -> None:
    """So its price is known; what nobody has described is described as nothing."""
    team = Swarm([AssistantAgent("alone", OpenAIChatCompletionClient())])
    node = autogen.read(team, "team").nodes["alone"]

    assert ("openai:gpt-4o", "") == (node.model, node.does)


def test_a_client_is_known_by_its_package_too() -> None:
    """One of the user's may have the name of one of AutoGen's, and ask more often."""
    theirs = type("OpenAIChatCompletionClient", (autogen_teams.Client,), {"__module__": "autogen_ext.models.openai"})
    teams = {kind: Swarm([AssistantAgent("alone", kind())]) for kind in (theirs, OpenAIChatCompletionClient)}
    said = {kind: any("of the client of alone" in each for each in assuming(team)) for kind, team in teams.items()}

    assert {theirs: False, OpenAIChatCompletionClient: True} == said
