"""Requests that hostile teams of AutoGen really make, against the numbers that are printed of them."""

from typing import Any

import pytest
from support.counted import standing, too_small

pytest.importorskip("autogen_agentchat", reason="AutoGen is not installed; nox -s adopt installs it")

from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, TextMessage
from autogen_agentchat.teams import DiGraphBuilder, GraphFlow
from support.counted import Asked


class Asking(BaseChatAgent):
    """Asks a model once a turn, and says all the texts that edges look for."""

    def __init__(self, name: str, client: Asked) -> None:
        super().__init__(name, "asks")
        self.client = client

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: object) -> Response:
        self.client.create(messages)
        return Response(chat_message=TextMessage(content="GO LEFT RIGHT", source=self.name))

    async def on_reset(self, cancellation_token: object) -> None: ...


def flow(client: Asked, edges: list[tuple[Any, ...]], *, turns: int | None) -> GraphFlow:
    """Return a flow that starts at the first source, with edges of sources, targets and options."""
    names = dict.fromkeys(name for source, target, *_ in edges for name in (source, target))
    agents = {name: Asking(name, client) for name in names}
    builder = DiGraphBuilder()
    for agent in agents.values():
        builder.add_node(agent)
    for source, target, *options in edges:
        builder.add_edge(agents[source], agents[target], **(options[0] if options else {}))
    builder.set_entry_point(agents[edges[0][0]])
    return GraphFlow(builder.get_participants(), graph=builder.build(), max_turns=turns)


def group(name: str, **more: Any) -> dict[str, Any]:
    """Return the options of an edge that wakes its target by itself."""
    return {"activation_group": name, "activation_condition": "any", **more}


FORK: list[tuple[Any, ...]] = [("a", "b"), ("a", "c"), ("a", "d")]
HOSTILE: dict[str, tuple[list[tuple[Any, ...]], int | None]] = {
    "all branches of a fork in one turn": (FORK, 2),
    "a join after a fork": ([("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")], 3),
    "two texts in one message": ([("a", "b", {"condition": "LEFT"}), ("a", "c", {"condition": "RIGHT"})], 5),
    "two functions that hold": (
        [("a", "b", {"condition": lambda _: True}), ("a", "c", {"condition": lambda _: True})],
        None,
    ),
    "one agent in two groups": ([("a", "b"), ("a", "c"), ("b", "d", group("x")), ("c", "d", group("y"))], 9),
    "one agent in five groups": (
        [*(("a", name) for name in "bcdef"), *((name, "g", group(name)) for name in "bcdef")],
        3,
    ),
    "five groups, and no cap": (
        [*(("a", name) for name in "bcdef"), *((name, "g", group(name)) for name in "bcdef")],
        None,
    ),
    "an agent that wakes itself twice": (
        [
            ("a", "b", group("1")),
            ("b", "b", group("2", condition="GO")),
            ("b", "b", group("3", condition="LEFT")),
            ("b", "end", {"condition": "NEVER"}),
        ],
        6,
    ),
    "a cycle of forks": (
        [
            ("a", "b"),
            ("b", "c", {"activation_group": "1"}),
            ("b", "d", {"activation_group": "1"}),
            ("c", "b", group("2", condition="GO")),
            ("d", "b", group("3", condition="GO")),
            ("d", "end", {"condition": "NEVER"}),
        ],
        7,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_no_number_is_too_small(name: str) -> None:
    """Neither that of the flow as it stands, nor what is proved of a machine."""
    edges, turns = HOSTILE[name]
    client = Asked()
    made = flow(client, edges, turns=turns)
    await made.run(task="go")

    assert client.requests > 1
    assert [] == too_small(made, client.requests)


async def test_a_turn_is_one_of_all_that_are_due() -> None:
    """Of four agents and two turns, three speak in the second."""
    client = Asked()
    made = flow(client, FORK, turns=2)
    await made.run(task="go")

    assert (4, 8) == (client.requests, standing(made))
