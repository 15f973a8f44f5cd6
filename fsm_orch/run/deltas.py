"""The listener of a run: it judges when the text of an answer may be told, and tells it."""

from __future__ import annotations

from ..agents.base import Listener, Reply
from ..define.any_text import takes_any_text
from ..define.changes import changed
from ..define.states import Final
from ..errors import ContextError
from ..kernel.configuration import Configuration
from ..kernel.legal import will_end
from .delta import OnDelta, TextDelta
from .desk import AttemptDesk
from .writer import Run


def listener_at(run: Run, desk: AttemptDesk, now: Configuration) -> Listener | None:
    """Return who is told the text of an answer that an attempt may give; None if nobody listens, or none can be told.

    Only the run itself answers, and not the machines inside it.
    """
    if not run.is_heard or desk.path:
        return None
    writes = desk.own.spec.writes
    if not writes or not any(isinstance(way.target, Final) for way in desk.own.exits):
        return None
    return _Answer(run.tell_text, desk) if takes_any_text(type(now.context), writes[-1].name) else None


class _Answer:
    """The text of one attempt, which may be the answer of its run."""

    def __init__(self, on_delta: OnDelta, desk: AttemptDesk) -> None:
        self._on_delta = on_delta
        self._desk = desk

    def will_stand(self, decision: Reply, field: str) -> bool:
        now = self._desk.due
        if now is None:
            return False
        try:
            written = changed(now.context, decision.changes)
        except ContextError:
            return False
        return will_end(self._desk.compiled, now, decision.handoff_name, written, field)

    def hear(self, field: str, text: str) -> None:
        now = None if self._desk.is_closed else self._desk.due  # what comes late is nobody's
        if now is not None and now.visit is not None:
            delta = TextDelta(path=now.path, hops=now.hops, attempt=now.visit.attempt, field=field, text=text)
            self._on_delta(delta)
