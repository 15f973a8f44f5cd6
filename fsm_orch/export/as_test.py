"""A counterexample as a test: the source of a pytest function that plays a trace and fails if the policy is broken.

Opaque fields on which the path does not depend get the simplest value that fits. Where the path depends on them, or no
simple value is known to fit, the test has Hypothesis search for values that make the path real.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import to_json

from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..define.policies import Policy
from ..kernel import inputs
from ..proof.explore.reality import NOTHING, simplest
from ..proof.explore.trace import PLACEHOLDER, Leg, Trace
from ..proof.explore.values import SHOWN_AS_CALLS
from ..proof.repair.change import Change


def pytest_source(
    definition: Definition,
    policy: Policy,
    trace: Trace,
    *,
    module: str,
    change: Change | None = None,
    is_real: bool = True,
) -> str:
    """Return the source of a test for a policy that a trace breaks.

    Args:
        policy: one of the definition's.
        module: the module from which the test imports the machine.
        change: a change that removes the counterexample, which the test's docstring names; None: none is known.
        is_real: whether a real run is known to take the path; if not, the test searches for values that make one.

    Raises ValueError: if the policy is not one of the definition's.
    """
    writer = _Writer(definition, trace, is_real=is_real)
    turns = [*(line for leg in trace.legs for line in writer.turn(leg)), *writer.last_turn()]
    played = [f"{definition.name},", f"{writer.start()},", "[", *(f"    {turn}," for turn in turns), "],"]
    kept = f"{definition.name}, {definition.name}.policies[{definition.policies.index(policy)}], result"
    play = ["play(", *(f"    {line}" for line in played), ")"]
    name = re.sub(r"\W+", "_", str(policy)).strip("_").lower()
    lines = [f"{policy}.", *(["", f"The smallest change after which it holds: {change.edit.words}."] if change else [])]
    if change and change.edit.dropped:
        lines.append("Remove this test too then, since it plays that handoff.")
    docstring = [f'"""{lines[0]}', *lines[1:], '"""'] if lines[1:] else [f'"""{lines[0]}"""']
    write = _searching if writer.is_searched else _playing
    return "\n".join(write(name, docstring, play, kept, writer.imports(module), _condition(trace))) + "\n"


def _playing(name: str, docstring: list[str], play: list[str], kept: str, imports: list[str], _: str) -> Iterator[str]:
    yield '"""A counterexample that `fsm-orch check` found: it fails until the machine is repaired."""'
    yield ""
    yield "from fsm_orch.testing import Turn, assert_kept, play"
    yield from ["", *imports, "", ""]
    yield f"def test_{name}() -> None:"
    yield from _indented([*docstring, f"result = {play[0]}", *play[1:], "", f"assert_kept({kept})"])


def _searching(
    name: str, docstring: list[str], play: list[str], kept: str, imports: list[str], hangs: str
) -> Iterator[str]:
    yield '"""A possible counterexample that `fsm-orch check` found: Hypothesis looks for values that make it real."""'
    yield ""
    yield "from hypothesis import strategies as st"
    yield ""
    yield "from fsm_orch.testing import Turn, breaks, play, search_values"
    yield "from fsm_orch.testing.strategies import values"
    yield from ["", *imports, "", ""]
    yield "def attempt(draw: st.DrawFn):"
    yield from _indented([f'"""Take the path{hangs}."""', f"return {play[0]}", *play[1:]])
    yield from ["", ""]
    yield f"def test_{name}() -> None:"
    yield from _indented([*docstring, f"search_values(attempt, lambda result: breaks({kept}))"])


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" if line else "" for line in lines]


def _condition(trace: Trace) -> str:
    return f", which is real if {' and '.join(map(str, trace.assumptions))}" if trace.assumptions else ""


class _Writer:
    """The writer of the values and turns of one test; it keeps which classes they have to import."""

    def __init__(self, definition: Definition, trace: Trace, *, is_real: bool) -> None:
        self._definition = definition
        self._trace = trace
        self._classes: dict[type, None] = {}
        touched = {name for leg in trace.legs for name in _written(leg)} | set(_required(definition.context))
        is_stuck = any(simplest(definition.context, name) is NOTHING for name in touched & set(trace.opaque))
        self.is_searched = is_stuck or not trace.is_sure or not is_real

    def start(self) -> str:
        """Return the source of the context that the run begins with."""
        context, given = self._definition.context, {}
        for name, field in context.__pydantic_fields__.items():
            if name not in given_fields(context):
                continue  # only given fields may be set at the start
            value = self._trace.start.get(name, PLACEHOLDER)
            is_opaque = name in self._trace.opaque
            if field.is_required() or (is_opaque and self.is_searched) or (not is_opaque and value != field.default):
                given[name] = self._value(name, value, is_drawn=self.is_searched)
        if not self.is_searched:
            return f"{context.__name__}({', '.join(f'{name}={value}' for name, value in given.items())})"
        drawn = (f"{name}={v}" if v.startswith("values(") else f"{name}=st.just({v})" for name, v in given.items())
        return f"draw(st.builds({', '.join([context.__name__, *drawn])}))"

    def turn(self, leg: Leg) -> Iterator[str]:
        """Yield the source of a turn, or nothing for a visit that was landed before its agent was asked."""
        if not leg.inputs:
            return
        last, machine = leg.inputs[-1], self._definition.name
        said = [f"{machine}.{leg.state}"]
        exits = {handoff.name for handoff in self._definition.states[leg.state].exits}
        deadline_s = self._definition.limits.deadline_s
        if isinstance(last, inputs.Replied) and last.handoff in exits:
            said.append(f"handoff={machine}.{last.handoff}")
        elif isinstance(last, inputs.Replied) and (last.handoff is not None or last.refusal is not None):
            said.append('fails="refusal"')
        elif isinstance(last, inputs.Cancelled) or last.at >= deadline_s:
            said.append(f"seconds={deadline_s:g}")
        elif isinstance(last, inputs.Failed):
            said.append(f'fails="{last.reason}"')
        if isinstance(last, inputs.Replied) and last.changes and 'fails="refusal"' not in said:
            changes = (self._change(name, value) for name, value in last.changes.items())
            said.append(f"changes={{{', '.join(changes)}}}")
        said += _asked(leg)
        if leg.calls:
            said.append(f"tokens={list(leg.calls)}")
        yield f"Turn({', '.join(said)})"

    def last_turn(self) -> Iterator[str]:
        """Yield the source of the turn in which the path ends with the use of a tool; what follows does not matter."""
        if self._trace.uses:
            said = [f"{self._definition.name}.{self._trace.state}", 'fails="error"', *_asked(self._trace)]
            yield f"Turn({', '.join(said)})"

    def imports(self, module: str) -> list[str]:
        """Return the imports that everything written so far needs."""
        names: dict[str, set[str]] = {module: {self._definition.name}}
        for cls in (self._definition.context, *self._classes):
            names.setdefault(cls.__module__, set()).add(cls.__name__)
        dated = names.pop("datetime", None)  # whose values show themselves with their module
        shown = [f"from {where} import {', '.join(sorted(found))}" for where, found in sorted(names.items())]
        return ["import datetime", *shown] if dated else shown

    def _change(self, name: str, value: object) -> str:
        written = self._value(name, value, is_drawn=self.is_searched)
        written = f"draw({written})" if written.startswith("values(") else written
        return f"{self._definition.context.__name__}.{name}: {written}"

    def _value(self, name: str, value: object, *, is_drawn: bool) -> str:
        context = self._definition.context
        if name in self._trace.opaque:
            return f'values({context.__name__}, "{name}")' if is_drawn else _literal(simplest(context, name))
        if isinstance(value, enum.Enum):
            self._classes[type(value)] = None
            return f"{type(value).__name__}.{value.name}"
        if type(value).__module__ in SHOWN_AS_CALLS:
            self._classes[type(value)] = None
        return _literal(value)


def _asked(visit: Leg | Trace) -> list[str]:
    """Return which tools a turn uses, and which are declined."""
    tools = {"uses": visit.uses, "declines": visit.declines}
    return [f"{word}=[{', '.join(map(_literal, named))}]" for word, named in tools.items() if named]


def _literal(value: object) -> str:
    return to_json(value).decode() if isinstance(value, str) and value.isprintable() else repr(value)


def _required(context: type[Context]) -> Iterable[str]:
    return [name for name, field in context.__pydantic_fields__.items() if field.is_required()]


def _written(leg: Leg) -> Mapping[str, Any]:
    last = leg.inputs[-1] if leg.inputs else None
    return last.changes if isinstance(last, inputs.Replied) else {}
