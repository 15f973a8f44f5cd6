"""LangGraph: a StateGraph, compiled or not, with what it is built of: create_agent and a swarm are such graphs.

Its own drawing is not used: it leaves out targets of a router that declares none.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from types import FunctionType

from . import single, source
from .graph import END, Cap, Chooser, Edge, Graph, Node, Trust
from .langgraph_nodes import LANGGRAPH, function_of, handed, handled, hides_ways, is_graph, is_wrapped, node, trouble

_START = "__start__"
_NOTHING = "no edge leaves it"


def reads(thing: object) -> bool:
    """Return whether it is a StateGraph, or what one compiles to."""
    return LANGGRAPH.made(thing, "StateGraph", "CompiledStateGraph") and not isinstance(thing, type)


def read(thing: object, name: str) -> Graph:
    """Return what a graph tells of itself.

    Raises:
        Unreadable: if something that is read is not there.
    """
    is_compiled = is_graph(thing)
    builder = LANGGRAPH.get(thing, "builder") if is_compiled else thing
    found = _Found(builder)
    called_so = LANGGRAPH.find(thing, "name")
    return Graph(
        framework=LANGGRAPH.name,
        name=called_so if isinstance(called_so, str) and called_so != "LangGraph" else name.removesuffix("()"),
        entry=found.entry,
        is_entry_added=found.entry not in found.specs,
        nodes=found.nodes,
        edges=tuple(found.edges),
        cap=Cap(
            name="recursion_limit",
            value=_limit(thing),
            unit="steps",
            then="GraphRecursionError is raised",
        ),
        joins=found.joins,
        forks=frozenset(found.forks),
        may_fork=frozenset(found.may_fork - found.forks - found.sends),
        sends=frozenset(found.sends),
        lost=(*found.lost, *_interrupts(thing, found.nodes if is_compiled else {})),
        assumed=tuple(found.assumed()),
        on_unknown="ends the run as if all were well, with a line in the log",
    ).with_steps_of_each("steps")


def _limit(thing: object) -> int:
    """Return how many steps a run may take that names no number."""
    config = LANGGRAPH.find(thing, "config")
    said = LANGGRAPH.find(config, "recursion_limit") if isinstance(config, Mapping) else None
    default = LANGGRAPH.constant("langgraph._internal._config", "DEFAULT_RECURSION_LIMIT", 10_007)
    return said if isinstance(said, int) else default


def _interrupts(thing: object, nodes: Mapping[str, Node]) -> Iterator[str]:
    for when in ("before", "after") if nodes else ():
        named = LANGGRAPH.get(thing, f"interrupt_{when}_nodes")
        for key in nodes:
            if named == "*" or (isinstance(named, list | tuple | set) and key in named):
                yield f"{key}: it waits for a human {when} it; make that a state with a HumanAgent"


def _handlers(builder: object, specs: Mapping[str, object]) -> dict[str, object]:
    """Return what handles the errors of nodes, by their keys; what is a default for all is made when a graph is built.

    Args:
        builder: Of the graph.
        specs: What its nodes were added as.
    """
    default = LANGGRAPH.find(LANGGRAPH.find(builder, "_node_defaults"), "error_handler")
    found: dict[str, object] = {}
    for key, spec in specs.items():
        named = LANGGRAPH.find(spec, "error_handler_node")
        if isinstance(named, str) and named in specs:
            found[key] = specs[named]
        elif default is not None and not LANGGRAPH.find(spec, "is_error_handler"):
            found[key] = {"runnable": default, "ends": ()}
    return found


class _Found:
    """What was read of a builder."""

    def __init__(self, builder: object) -> None:
        self.builder = builder
        every = LANGGRAPH.table(builder, "nodes")
        self.handlers = _handlers(builder, every)
        self.specs = {key: spec for key, spec in every.items() if not LANGGRAPH.find(spec, "is_error_handler")}
        policy = LANGGRAPH.find(LANGGRAPH.find(builder, "_node_defaults"), "retry_policy")
        self.nodes = {key: node(key, spec, policy=policy) for key, spec in self.specs.items()}
        for key, handler in self.handlers.items():
            self.nodes[key] = handled(self.nodes[key], node(key, handler, policy=policy))
        self.edges: list[Edge] = []
        self.leaving: dict[str, list[Edge]] = {}
        self.joins: dict[str, tuple[str, ...]] = {}
        self.forks: set[str] = set()
        self.may_fork: set[str] = set()
        self.sends: set[str] = set()
        self.by_names: set[str] = set()
        self.lost = [said for key, spec in self.specs.items() for said in trouble(key, spec)]
        self._plain()
        self._waiting()
        self._routers()
        for key, spec in self.specs.items():
            self._commands(key, spec)
            if key in self.handlers:
                self._commands(key, self.handlers[key])
            self._no_way_out(key)
        self._at_once()
        self.entry = self._open()

    def _plain(self) -> None:
        found = LANGGRAPH.many(self.builder, "edges")
        each = [LANGGRAPH.listed(pair, self.builder, "edges") for pair in found]
        pairs = sorted(LANGGRAPH.texts(pair, self.builder, "edges") for pair in each)
        for start, to in pairs:
            self._add(start, to, via="edge", chooses="always")

    def _waiting(self) -> None:
        for pair in LANGGRAPH.many(self.builder, "waiting_edges"):
            sources, to = LANGGRAPH.listed(pair, self.builder, "waiting_edges")
            names = LANGGRAPH.texts(
                LANGGRAPH.listed(sources, self.builder, "waiting_edges"), self.builder, "waiting_edges"
            )
            self.joins[str(to)] = names
            for start in names:
                self._add(start, str(to), via="edge that waits", chooses="always")

    def _routers(self) -> None:
        for start, branches in LANGGRAPH.table(self.builder, "branches").items():
            for name, branch in LANGGRAPH.table({start: branches}, start).items():
                self._router(start, name, branch)

    def _router(self, start: str, name: str, branch: object) -> None:
        """Add the ways of a function that says where a run goes."""
        path, ends = LANGGRAPH.get(branch, "path"), LANGGRAPH.get(branch, "ends")
        function = function_of(path)
        if function is not None and source.spreads(function):
            self.sends.add(start)
        if function is None or is_wrapped(path) or not single.names_one(function):
            self.may_fork.add(start)
        read = None
        if function is not None and ends is None and not is_wrapped(path):
            read = source.routed(function)
            if read != source.routed(function, by_names=False):
                self.by_names.add(start)
        targets: list[str] = (
            [*map(str, ends.values())] if isinstance(ends, Mapping) else sorted(read or self._anywhere())
        )
        trust: Trust = "declared" if ends is not None else "read" if read else "assumed"
        for to in targets:
            self._put(Edge(source=start, target=to, via=name, chooses="code", trust=trust, condition=f"{name}()"))

    def _anywhere(self) -> list[str]:
        return [*self.specs, END]

    def _commands(self, key: str, spec: object) -> None:
        """Add where a node, or what handles its errors, sends a run itself."""
        runnable, ends = LANGGRAPH.get(spec, "runnable"), LANGGRAPH.get(spec, "ends")
        function = function_of(runnable)
        is_written = function is not None and not is_graph(runnable) and not source.sent(function).is_open
        by: Chooser = "model" if self.nodes[key].kind == "llm" and not is_written else "code"
        labels = ends if isinstance(ends, Mapping) else dict.fromkeys(LANGGRAPH.names(spec, "ends") if ends else (), "")
        for to, label in labels.items():
            self._add(key, to, via="Command", chooses=by, description=str(label or ""))
        if is_graph(runnable):
            self._handoffs(key, runnable)
        elif function is not None:
            self._gotos(key, function, by, labels)
            if any(edge.via.startswith("Command") for edge in self._leaving(key)):
                if source.spreads(function):
                    self.sends.add(key)
                if is_wrapped(runnable) or not single.commands_one(function):
                    self.may_fork.add(key)
        elif labels:
            self.may_fork.add(key)

    def _gotos(self, key: str, function: FunctionType, by: Chooser, declared: Collection[str]) -> None:
        """Add where the code of a node sends a run, though that is not declared: LangGraph goes there all the same."""
        found = source.sent(function)
        for to in sorted(found.targets.difference(declared)):
            self._put(Edge(source=key, target=to, via="Command", chooses=by, trust="read"))
        for to in self._anywhere() if found.is_open and not declared else ():
            self._put(Edge(source=key, target=to, via="Command, computed", chooses=by, trust="assumed"))

    def _handoffs(self, key: str, runnable: object) -> None:
        """Add where tools of an inner graph send a run of this one."""
        for tool in handed(runnable):
            known = [edge for edge in self._leaving(key) if edge.target in tool.targets and edge.via == "Command"]
            if known:
                self.edges = [edge for edge in self.edges if edge not in known]
                self.leaving[key] = [edge for edge in self._leaving(key) if edge not in known]
            targets = self._anywhere() if tool.is_open else tool.targets
            for to in targets:
                self._put(
                    Edge(source=key, target=to, via=tool.name, chooses="model", trust=tool.trust, description=tool.does)
                )

    def assumed(self) -> Iterator[str]:
        """Yield what is taken for granted of code: that it goes nowhere else, and starts no node several times."""
        named = {self.entry if key == _START else key for key in self.by_names}
        hidden = [key for key in self.nodes if key in named or (key in self.specs and self._is_hiding(key))]
        if hidden:
            yield f"no way out of {', '.join(hidden)} but those that are declared or were seen in the code"
        sending = [key for key in self.nodes if key in self.may_fork - self.sends]
        if sending:
            yield f"no Send in what chooses after {', '.join(sending)}: none was seen there"

    def _is_hiding(self, key: str) -> bool:
        if any(edge.via == "Command, computed" for edge in self._leaving(key)):
            return False  # each node is possible
        return any(hides_ways(spec) for spec in (self.specs[key], self.handlers.get(key)) if spec is not None)

    def _leaving(self, key: str) -> list[Edge]:
        return self.leaving.get(key, [])

    def _no_way_out(self, key: str) -> None:
        """Add the end of a node that nothing follows: LangGraph ends when nothing is due."""
        ways = self._leaving(key)
        is_graph_inside = is_graph(LANGGRAPH.get(self.specs[key], "runnable"))
        is_sure = any(edge.chooses == "always" or edge.condition for edge in ways)
        is_declared = bool(LANGGRAPH.get(self.specs[key], "ends")) and not is_graph_inside
        if not is_sure and not is_declared and not any(edge.target == END for edge in ways):
            by: Chooser = "always" if not ways else "model" if self.nodes[key].kind == "llm" else "code"
            self._add(key, END, via=_NOTHING, chooses=by)

    def _at_once(self) -> None:
        """Note the nodes that several ways leave at once: edges, routers and commands do not shut each other out."""
        for key in (_START, *self.specs):
            ways = self._leaving(key)
            plain = sum(edge.via == "edge" for edge in ways)
            routers = {edge.via for edge in ways if edge.condition}
            commands = any(edge.chooses != "always" and not edge.condition and edge.via != _NOTHING for edge in ways)
            if plain + len(routers) + commands > 1:
                self.forks.add(key)

    def _open(self) -> str:
        """Return where runs start; a node is put there if that is no single edge."""
        first = self._leaving(_START)
        if len(first) == 1 and first[0].chooses == "always":
            self.edges.remove(first[0])
            self.forks.discard(_START)
            self.may_fork.discard(_START)
            return first[0].target
        key = next(name for name in ("start", "the_start", _START) if name not in self.nodes)
        self.nodes = {key: Node(key=key, calls=0, does="where runs start"), **self.nodes}
        self.edges = [replace(edge, source=key) if edge.source == _START else edge for edge in self.edges]
        for noted in (self.forks, self.may_fork, self.sends):
            if _START in noted:
                noted.remove(_START)
                noted.add(key)
        return key

    def _add(self, start: str, to: str, *, via: str, chooses: Chooser, description: str = "") -> None:
        self._put(Edge(source=start, target=to, via=via, chooses=chooses, description=description))

    def _put(self, edge: Edge) -> None:
        self.edges.append(edge)
        self.leaving.setdefault(edge.source, []).append(edge)
