"""What each record counts for: an observer of one machine, over the series that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..define.definition import Definition
from ..kernel import records
from ..kernel.records import Record
from .metric_names import LANDING
from .places import UNKNOWN, Places
from .series import AgentSeries, MachineSeries, SeriesOf


class Counting:
    """Counts what the runs of one machine do.

    Args:
        series: makes the series that are counted.
    """

    def __init__(self, definition: Definition, series: SeriesOf) -> None:
        self._series, self._places = MachineSeries(series, definition), Places(definition)
        self._counts: dict[type[Any], Callable[[Any], None]] = {
            records.VisitStarted: self._visit,
            records.CallReserved: self._reserved,
            records.CallDenied: self._denied,
            records.CallSettled: self._settled,
            records.CallReleased: self._released,
            records.Overspent: self._overspent,
            records.Refused: self._refused,
            records.GuardRaised: self._guard,
            records.AttemptFailed: self._failed,
            records.HandedOff: self._handed_off,
            records.Landed: self._landed,
            records.Asked: self._asked,
            records.Approved: self._approved,
            records.Answered: self._answered,
            records.RunFinished: self._finished,
        }

    def __call__(self, record: Record) -> None:
        """Count a record."""
        count = self._counts.get(type(record))
        if count is not None:
            count(record)

    def _at(self, record: Record, state: str | None = None) -> AgentSeries:
        stamp = record.stamp
        name = stamp.state if state is None else state
        # most runs have no machines inside
        return self._series[self._places.of(stamp, name) if stamp.path else name]

    def _visit(self, record: records.VisitStarted) -> None:
        self._at(record).visits.inc()

    def _reserved(self, record: records.CallReserved) -> None:
        if record.waited_s:
            self._at(record).waits["gate"].observe(record.waited_s)

    def _denied(self, record: records.CallDenied) -> None:
        self._at(record).calls["denied"].inc()

    def _settled(self, record: records.CallSettled) -> None:
        agent = self._at(record)
        agent.calls["unknown" if record.usage is None else "settled"].inc()
        if record.cause is not None:
            agent.call_failures[record.cause].inc()
        agent.tokens.inc(record.tokens)
        if record.cost:
            agent.cost.inc(record.cost / 1_000_000)
        self._series.call_seconds[record.model or UNKNOWN].observe(record.seconds)

    def _released(self, record: records.CallReleased) -> None:
        agent = self._at(record)
        agent.calls["released"].inc()
        if record.cause is not None:
            agent.call_failures[record.cause].inc()

    def _overspent(self, record: records.Overspent) -> None:
        agent = self._at(record, record.source)
        agent.tokens.inc(record.tokens)
        agent.cost.inc(record.cost / 1_000_000)

    def _refused(self, record: records.Refused) -> None:
        self._at(record).refusals[record.reason].inc()

    def _guard(self, record: records.GuardRaised) -> None:
        self._at(record).guards[record.handoff].inc()

    def _failed(self, record: records.AttemptFailed) -> None:
        self._at(record).errors[record.reason].inc()

    def _handed_off(self, record: records.HandedOff) -> None:
        agent = self._at(record, record.source)
        agent.handoffs[record.handoff].inc()
        if record.waited_s:
            agent.waits["gate"].observe(record.waited_s)

    def _landed(self, record: records.Landed) -> None:
        agent = self._at(record, record.source)
        agent.handoffs[LANDING].inc()
        agent.landings[record.reason].inc()

    def _asked(self, record: records.Asked) -> None:
        place = self._places.of(record.stamp, record.stamp.state)
        self._places.note(record, place)
        agent = self._series[place]
        for wanted in record.asks:
            if wanted.kind == "human" or wanted.name in agent.approved:
                agent.questions.inc()

    def _approved(self, record: records.Approved) -> None:
        self._at(record).answers.inc()

    def _answered(self, record: records.Answered) -> None:
        agent = self._at(record)
        # a tool that was approved is answered again, when it was used
        if record.end == "declined" or (record.end == "answered" and agent.is_human):
            agent.answers.inc()

    def _finished(self, record: records.RunFinished) -> None:
        stamp = record.stamp
        if stamp.path:
            return  # the run goes on around it
        self._places.forget(stamp.run_id)
        self._series.tokens.observe(stamp.settled)
        self._series.handoffs.observe(stamp.hops)
        self._series.seconds.observe(stamp.at)
