"""openai-agents: an agent, and every agent that a chain of handoffs reaches from it.

The target of a handoff is under a private name, a weak reference. A handoff that was made by hand has none: its
function returns the agent, so only the name of that is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from .asked import is_an
from .beside import Beside, clients, told
from .functions import around, plain
from .graph import END, Cap, Edge, Graph, Node
from .library import called
from .openai_agents_nodes import OPENAI_AGENTS, assumed, beside, node, outside, remembering, retried, trouble

_CAP = "max_turns"


def reads(thing: object) -> bool:
    """Return whether it is an agent of openai-agents."""
    return OPENAI_AGENTS.made(thing, "Agent") and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what an agent, and all that it can hand off to, tell of themselves.

    Raises:
        Unreadable: if something that is read is not there.
    """
    found = _Found()
    entry = found.add(thing, name)
    for key, agent in found.agents:  # those too that are added meanwhile
        found.follow(key, agent)
    found.name_the_rest()
    found.tell_of_the_rest()
    return Graph(
        framework=OPENAI_AGENTS.name,
        name=OPENAI_AGENTS.text(thing, "name"),
        entry=entry,
        nodes=found.nodes,
        edges=tuple(found.edges),
        cap=Cap(name=_CAP, value=_default(), unit="requests", counts="requests", then="MaxTurnsExceeded is raised"),
        lost=tuple(found.lost),
        outside=tuple(found.outside),
        uncounted=tuple(found.uncounted),
        assumed=tuple(found.assumed),
        unused=tuple(found.unused),
        on_unknown="raises ModelBehaviorError and ends the run",
    )


def _default() -> int:
    """Return how many turns a run may take that names no number."""
    return OPENAI_AGENTS.constant("agents.run_config", "DEFAULT_MAX_TURNS", 10)


@dataclass
class _Found:
    """What was read so far."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    beside: list[Beside] = field(default_factory=list)
    agents: list[tuple[str, object]] = field(default_factory=list)
    """With the keys of their nodes; also keeps them alive, so that each has an identity of its own."""
    keys: dict[int, str] = field(default_factory=dict)
    """By these identities."""

    def add(self, agent: object, source: str | None) -> str:
        """Return the key of an agent, which is added if it is new; two of one name are told apart by a number."""
        if id(agent) in self.keys:
            return self.keys[id(agent)]
        OPENAI_AGENTS.check_count(len(self.agents) + 1, "agents that hand off to one another")
        name = OPENAI_AGENTS.text(agent, "name")
        key = next(
            each for each in (name, *(f"{name} {n}" for n in range(2, len(self.nodes) + 3))) if each not in self.nodes
        )
        self.agents.append((key, agent))
        self.keys[id(agent)] = key
        self.nodes[key] = node(key, agent, source)
        self.lost += trouble(key, agent)
        self.outside += outside(key, agent)
        self.assumed += assumed(key, agent)
        return key

    def follow(self, key: str, agent: object) -> None:
        """Add the ways out of an agent."""
        self.edges.append(
            Edge(source=key, target=END, via="final output", chooses="model", description="it is answered")
        )
        for number, way in enumerate(OPENAI_AGENTS.many(agent, "handoffs")):
            source = f"{self.nodes[key].source}.handoffs[{number}]" if self.nodes[key].source else None
            if OPENAI_AGENTS.made(way, "Handoff"):
                self._handoff(key, way)
            else:
                target = self.add(way, source)
                does = OPENAI_AGENTS.words(way, "handoff_description")
                self._edge(key, target, f"transfer_to_{_spelt(OPENAI_AGENTS.text(way, 'name'))}", does)

    def _handoff(self, key: str, way: object) -> None:
        via = OPENAI_AGENTS.text(way, "tool_name")
        enabled = OPENAI_AGENTS.get(way, "is_enabled")
        if enabled is False:
            self.unused.append(f"{key}: the handoff {via} is never enabled")
            return
        self.beside.append(Beside(key, "is_enabled function", [enabled, *_inside(enabled, "is_enabled")]))
        self.beside.append(Beside(key, "handoff function", OPENAI_AGENTS.find(way, "on_invoke_handoff")))
        if (filtered := OPENAI_AGENTS.get(way, "input_filter")) is not None:
            self.lost.append(f"{key}: the input_filter of {via}; name what is read in reads=")
            self.beside.append(Beside(key, "input_filter function", filtered))
        if on_handoff := [*_inside(OPENAI_AGENTS.find(way, "on_invoke_handoff"), "on_handoff")]:
            self.beside.append(Beside(key, "on_handoff function", on_handoff))
            self.lost.append(f"{key}: the on_handoff of {via}; do it in a state before, or in a tool")
        condition = None if enabled is True else f"is_enabled={called(enabled)}"
        told = OPENAI_AGENTS.words(way, "tool_description")
        target = _target(way)
        if target is None:
            self._by_hand(key, way, via, told, condition)
            return
        does = OPENAI_AGENTS.words(target, "handoff_description")
        default = f"Handoff to the {OPENAI_AGENTS.text(target, 'name')} agent to handle the request. {does}"
        self._edge(key, self.add(target, None), via, does if told == default else told, condition)

    def _by_hand(self, key: str, way: object, via: str, told: str, condition: str | None) -> None:
        """Add a handoff whose function returns the agent: only its name is known."""
        named = OPENAI_AGENTS.text(way, "agent_name")
        self.lost.append(f"{key}: the handoff {via} was made by hand, and {named!r} is known by its name alone")
        self.assumed.append(
            f"{named} hands off to nobody, and has no agents as tools, no guardrails and no hooks: "
            "it is known by its name alone"
        )
        self.edges.append(
            Edge(
                source=key, target=named, via=via, chooses="model", trust="read", description=told, condition=condition
            )
        )

    def name_the_rest(self) -> None:
        """Add the agents that are known by their name alone."""
        for named in dict.fromkeys(edge.target for edge in self.edges):
            if named != END and named not in self.nodes:
                self.nodes[named] = Node(key=named, kind="llm", calls=None)
                self.edges.append(Edge(source=named, target=END, via="final output", chooses="model", trust="assumed"))

    def tell_of_the_rest(self) -> None:
        """Note what agents and handoffs ask beside the requests of their turns, as far as source tells."""
        for key, agent in self.agents:
            self.beside += beside(key, agent)
        said = told(OPENAI_AGENTS, self.beside)
        agents = dict(self.agents)
        self.uncounted += [*said.uncounted, *retried(agents), *remembering(agents)]
        models = {key: OPENAI_AGENTS.get(agent, "model") for key, agent in self.agents}
        self.assumed += [*said.assumed, *clients(OPENAI_AGENTS, models)]

    def _edge(self, key: str, target: str, via: str, told: str, condition: str | None = None) -> None:
        self.edges.append(
            Edge(source=key, target=target, via=via, chooses="model", description=told.strip(), condition=condition)
        )


def _target(way: object) -> object | None:
    """Return the agent that a handoff leads to; None if it was made by hand, so that its function says where."""
    reference = OPENAI_AGENTS.get(way, "_agent_ref")
    invoked = plain(OPENAI_AGENTS.find(way, "on_invoke_handoff"))
    is_own = invoked is not None and not OPENAI_AGENTS.wrote(invoked)
    if reference is None or is_own:
        return None
    target = OPENAI_AGENTS.call(way, "_agent_ref")
    if target is None:
        raise OPENAI_AGENTS.gone(way, "leads to an agent that nothing else holds: keep it in a variable of the module,")
    return target


def _inside(held: object, name: str) -> Iterator[object]:
    """Yield the functions of the user's that the SDK keeps inside of one of its own under a name."""
    for each in (held, *(held.args if is_an(held, partial) else ())):
        function = plain(each)
        inner = around(function).get(name) if function is not None and OPENAI_AGENTS.wrote(function) else None
        if callable(inner):
            yield inner


def _spelt(name: str) -> str:
    """Return a name as the framework puts it into that of a tool."""
    return "".join(letter if letter.isalnum() else "_" for letter in name).lower()
