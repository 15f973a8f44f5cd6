"""A graph of another framework as the module of a machine, which its user then owns; what is written is what is proved.

Every choice stays possible in it, so that bounds count them all: a state with a model proposes, and code returns the
handoff that it takes. How sure a way is, and what is left to fill in, stands beside it as a comment.
"""

import re
import shlex
from collections.abc import Iterator

from .graph import Graph
from .plan import ANSWERED, FALLBACK, STOPPED, TAKEN, Caps, Plan, Way, plan
from .written import call, comment, literal, name_for, one_line, quoted, short_call

_SHARED = 40
"""Letters of the states that share a handoff, in one line."""

KNOWN_MODELS = re.compile(r"(openai|openai-chat|anthropic|local):\S+")
"""The names of models that a machine takes as they are."""


def skeleton(graph: Graph, caps: Caps, target: str) -> str:
    """Return the source of a module with the machine of a graph.

    Args:
        graph: What was read.
        caps: Bounds, where the graph has none.
        target: What was read, as the user named it, such as `app:triage`.
    """
    return _Module(plan(graph, caps), target).source()


class _Module:
    """Writes one module."""

    def __init__(self, planned: Plan, target: str) -> None:
        self.plan = planned
        self.graph = planned.graph
        self.target = target
        words = re.findall(r"[A-Za-z0-9]+", self.graph.name) or ["Imported"]
        name = "".join(word[:1].upper() + word[1:] for word in words)[:40]
        self.machine = f"{name if name[0].isalpha() else f'M{name}'}Machine"
        self.many = {key: len(planned.leaving(key)) > 1 for key in planned.names}
        kinds = {key: self.graph.nodes[key].kind for key in planned.names}
        self.code = [key for key, kind in kinds.items() if kind == "code"]
        self.asked = [key for key, kind in kinds.items() if kind == "llm"]
        self.has_human = "human" in kinds.values()

    def source(self) -> str:
        functions = [line for key in self.code for line in [*self._function(key), "", ""]]
        body = [*self._states(), "", *self._finals(), "", *self._handoffs(), "", *self._limits()]
        return "\n".join([*self._head(), *functions, *self._class(), *body]) + "\n"

    def _head(self) -> Iterator[str]:
        yield f'"""{one_line(self.graph.name)}, as it was read from {self.graph.framework}: it is yours now."""'
        yield ""
        made_by = f"fsm-orch import {shlex.quote(self.target)}"
        yield comment(f"Made by `{made_by}`. Settle each TODO, then check it by `fsm-orch check`.")
        if self.graph.framework == "openai-agents":
            yield comment("An agent may stay as it is: OpenAIAgent(...) of fsm_orch.agents.bridges.openai_agents.")
        for what, keys in self.graph.not_kept().items():
            yield comment(f"Not kept: {', '.join(keys)}{': ' if keys else ''}{what}")
        yield ""
        if any(self.plan.ends(key) and not self.many[key] for key in self.code):
            yield from ("from collections.abc import Mapping", "from typing import Any", "")
        names = [
            *("Context", "Final", "Limits", "Machine", "State"),
            *(["LLMAgent"] if self.asked else []),
            *(["HumanAgent"] if self.has_human else []),
            *(["Visit"] if self.code else []),
            *(["Reply"] if any(self.many[key] for key in self.code) else []),
        ]
        yield "from fsm_orch import ("
        yield from (f"    {name}," for name in sorted(names, key=str.lower))
        yield from (")", "", "", "class Conversation(Context):")
        yield from (
            '    """TODO: what the agents share."""',
            "",
            "    query: str",
            "    answer: str | None = None",
            "",
            "",
        )

    def _function(self, key: str) -> Iterator[str]:
        """Yield the function of a node that is code, which takes its first way out."""
        name, writes = f"do_{self.plan.names[key]}", self.plan.ends(key)
        returns = "Reply" if self.many[key] else "Mapping[Any, Any]" if writes else "None"
        changes = "{Conversation.answer: None}"
        yield f"def {name}(visit: Visit[Conversation]) -> {returns}:"
        node = self.graph.nodes[key]
        does = one_line(node.does)[:60].strip() or f"what {one_line(key)[:40].strip()} does"
        yield f'    """TODO: {does}."""'
        if node.blind:
            yield comment(
                "TODO: no request to a model was seen here; if there is one, say calls= of its state", depth=1
            )
        if not self.many[key]:
            yield f"    return {changes}" if writes else "    return None"
            return
        ways = self.plan.leaving(key)
        taken = next((way.target for way in ways if way.target == ANSWERED), ways[0].target)
        yield comment("TODO: choose; every way out is counted", depth=1)
        yield f"    way = visit.handoff_to({self.machine}.{taken})"
        yield f"    return Reply(handoff=way{f', changes={changes}' if writes else ''})"

    def _class(self) -> Iterator[str]:
        yield f"class {self.machine}(Machine[Conversation]):"
        yield f'    """TODO: what {one_line(self.graph.name)} is for."""'
        yield ""

    def _states(self) -> Iterator[str]:
        for key, name in self.plan.names.items():
            node = self.graph.nodes[key]
            if node.tools:
                yield comment(f"TODO tools: {', '.join(node.tools)}", depth=1)
            agent = {"llm": self._llm, "code": self._plain, "human": self._person}[node.kind](key)
            options = [["initial=True"]] if key == self.graph.entry else []
            if key in self.plan.bounded:
                options.append([f"max_visits={self.plan.caps.max_visits}"])
            yield from call(f"{name} = State", [*agent, *options], depth=1)

    def _llm(self, key: str) -> list[list[str]]:
        node = self.graph.nodes[key]
        told = node.instructions or ""
        own = self._model_of(node.model)
        arguments = [
            literal(told if told.strip() else f"TODO: what {key} is told, which is no text there"),
            _named("does", node.does.strip() or f"TODO: what {key} is for"),
            ["reads=Conversation.query"],
            *([["writes=Conversation.answer"]] if self.plan.ends(key) else []),
            *([[f"model={quoted(own)}"]] if own else []),
            [f"calls={self.plan.calls(key)}"],
            [f"max_input_tokens={self.plan.caps.input_tokens:_}"],
            [f"max_output_tokens={self.plan.output_tokens(key):_}"],
        ]
        return [call("LLMAgent", arguments)]

    def _plain(self, key: str) -> list[list[str]]:
        writes = [["writes=Conversation.answer"]] if self.plan.ends(key) else []
        return [[f"do_{self.plan.names[key]}"], ["reads=Conversation.query"], *writes]

    def _person(self, key: str) -> list[list[str]]:
        asked = literal(self.graph.nodes[key].does or f"TODO: what a human is asked at {key}")
        return [call("HumanAgent", [asked, ["reads=Conversation.query"]])]

    def _model_of(self, named: str | None) -> str | None:
        """Return the model that a state names itself: one where the machine has several."""
        is_own = self.plan.caps.model is None and len(self._models) > 1
        return named if is_own and named in self._models else None

    @property
    def _models(self) -> tuple[str, ...]:
        return tuple(filter(KNOWN_MODELS.fullmatch, self.plan.models))

    def _finals(self) -> Iterator[str]:
        targets = {way.target for way in self.plan.joined()}
        yield from (f"    {name} = Final()" for name in (ANSWERED, STOPPED) if name in targets)
        told = quoted("TODO: what a caller is told when a run cannot go on.")
        yield f"    {FALLBACK} = Final("
        yield from (
            "        fallback=True,",
            "        sets={",
            f"            Conversation.answer: {told},",
            "        },",
        )
        yield "    )"

    def _handoffs(self) -> Iterator[str]:
        taken = {*self.plan.names.values(), *TAKEN}
        for way in self.plan.joined():
            for sources in _in_lines(way.sources):
                name = name_for(f"to_{way.target}", taken)
                taken.add(name)
                if way.remark:
                    yield comment(way.remark, depth=1)
                yield from _handoff(name, sources, way)

    def _limits(self) -> Iterator[str]:
        limits = [[f"hops={self.plan.hops}"], [f"tokens={self.plan.tokens:_}"], ["deadline_s=120"], ["visit_s=30"]]
        yield comment("TODO: what a run may cost", depth=1)
        yield from call("limits = Limits", limits, depth=1)
        model = self.plan.caps.model or (self._models[0] if len(self._models) == 1 else None)
        if model:
            yield f"    model = {quoted(model)}"
        for name in self.plan.models:
            if not (self.plan.caps.model or name in self._models):
                yield comment(f"TODO a model: {name} was named there", depth=1)


def _named(name: str, text: str) -> list[str]:
    """Return the lines of an argument with a name."""
    lines = literal(text)
    if len(lines) == 1:
        return [f"{name}={lines[0]}"]
    return [f"{name}=(", *(f"    {line}" for line in lines), ")"]


def _handoff(name: str, sources: str, way: Way) -> list[str]:
    told = [literal(way.description)] if way.description else []
    return short_call(f"{name} = {sources}.to", [[way.target], *told], depth=1)


def _in_lines(sources: tuple[str, ...]) -> Iterator[str]:
    """Yield states that share a handoff, as many at a time as fit in a line."""
    rest = list(sources)
    while rest:
        some = [rest.pop(0)]
        while rest and len(" | ".join([*some, rest[0]])) <= _SHARED:
            some.append(rest.pop(0))
        yield f"({' | '.join(some)})" if len(some) > 1 else some[0]
