"""The series of one machine: each that can be known from its definition, made before anything happens in it.

A series that begins at 1 has not increased to 1, as Prometheus sees it: an alert would miss the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from ..define.agent_spec import AgentSpec
from ..define.definition import Definition
from . import metric_names as names
from .metric_names import MetricName


class SeriesOf(Protocol):
    """Returns the series of a metric with these labels, which is made when it is first asked for."""

    def __call__(self, metric: MetricName, /, *labels: str) -> Any: ...


_AT_HAND = 1_000
"""Series that are kept beside the library for one state; a label may come from outside, as the name of a model does."""


class _By(dict[str, Any]):
    """The series of one metric and one state, by their last label. To look one up in the library costs more."""

    def __init__(self, make: Callable[[str], Any], known: Iterable[str]) -> None:
        super().__init__({label: make(label) for label in known})
        self._make = make

    def __missing__(self, label: str) -> Any:
        made = self._make(label)
        if len(self) < _AT_HAND:
            self[label] = made
        return made


class AgentSeries:
    """The series of one state.

    Args:
        place: of the state in the tree of machines.
        spec: of its agent; None: the state is not known, and neither is what can happen in it.
        targets: where its handoffs lead, by their names; its landing is one of them.
    """

    def __init__(
        self, series: SeriesOf, machine: str, place: str, spec: AgentSpec | None, targets: Mapping[str, str]
    ) -> None:
        def by(metric: MetricName, known: Iterable[str] = ()) -> _By:
            return _By(partial(series, metric, machine, place), known)

        calls = spec is not None and spec.calls > 0
        self.is_human = spec is not None and spec.asks_human
        self.approved = (
            frozenset(tool.name for tool in spec.tools if tool.approval) if spec is not None else frozenset()
        )
        """The tools that a human approves."""
        self.visits = series(names.VISITS, machine, place)
        self.handoffs = _By(lambda name: series(names.HANDOFFS, machine, place, name, targets.get(name, "")), targets)
        self.errors = by(names.ERRORS, names.FAILURES if spec else ())
        self.landings = by(names.LANDED, names.LANDINGS if spec else ())
        self.guards = by(names.GUARDS)
        # a function cannot be refused for most of these, and makes no call
        self.refusals = by(names.REFUSED, names.REFUSALS if calls else ())
        self.calls = by(names.CALLS, names.OUTCOMES if calls else ())
        self.call_failures = by(names.CALL_FAILURES, names.CAUSES if calls else ())
        self.waits = by(names.WAIT_SECONDS)
        self.tokens, self.cost = series(names.TOKENS, machine, place), series(names.COST, machine, place)
        if spec is None or self.is_human or self.approved:
            self.questions, self.answers = (
                series(names.QUESTIONS, machine, place),
                series(names.ANSWERS, machine, place),
            )


class MachineSeries(dict[str, AgentSeries]):
    """The series of a machine, with those of its states by their places."""

    def __init__(self, series: SeriesOf, definition: Definition) -> None:
        machine = definition.name
        super().__init__(
            {
                place: AgentSeries(series, machine, place, spec, targets)
                for place, spec, targets in _states(definition, "")
            }
        )
        self._make: Callable[[str], AgentSeries] = lambda place: AgentSeries(series, machine, place, None, {})
        self.tokens = series(names.REQUEST_TOKENS, machine)
        self.handoffs = series(names.REQUEST_HANDOFFS, machine)
        self.seconds = series(names.REQUEST_SECONDS, machine)
        self.call_seconds = _By(partial(series, names.CALL_SECONDS, machine), ())
        """By the name of the model."""

    def __missing__(self, place: str) -> AgentSeries:
        made = self[place] = self._make(place)
        return made


def _states(definition: Definition, inside: str) -> Iterator[tuple[str, AgentSpec, dict[str, str]]]:
    """Yield every state in the tree of machines: its place, its agent, and where its handoffs lead."""
    for name, state in definition.states.items():
        leads = {handoff.name: inside + handoff.target.name for handoff in state.handoffs}
        yield inside + name, state.spec, {names.LANDING: inside + definition.fallback.name} | leads
        for part in state.spec.parts:
            yield from _states(part.definition, f"{inside}{name}.{part.name}.")
