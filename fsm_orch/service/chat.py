"""What clients that chat are told of a run: the text of its answer while it is written, and where it has ended."""

from __future__ import annotations

from typing import Any

from pydantic_core import to_json

from ..define.changes import shown
from ..kernel.records import HandedOff
from ..run.delta import TextDelta
from ..run.following import Followed, Numbered
from ..run.result import RunResult


class AnswerText:
    """What one client was told of the answer of a run.

    Args:
        field: of the context, which holds the answer. Text of another field is not told.
    """

    def __init__(self, field: str) -> None:
        self.field, self.told = field, ""
        self._open: TextDelta | None = None
        """The last piece, while a record may still take it back."""

    def heard(self, event: Followed) -> str | None:
        """Return what an event adds to the text, mostly nothing; None if it takes back all of it."""
        if isinstance(event, TextDelta) and event.field == self.field:
            self._open = event
            self.told += event.text
            return event.text
        if isinstance(event, Numbered) and self._open is not None:
            if self._open.is_withdrawn_by(event.record):
                self._open, self.told = None, ""
                return None
            if isinstance(event.record, HandedOff) and not event.record.stamp.path:
                self._open = None  # it stands
        return ""

    def rest(self, whole: str) -> str | None:
        """Return what is still to be told of an answer; None if it does not begin with what was told.

        That may be so if another process has gone on with the run, of whose text nothing is heard here.
        """
        return whole.removeprefix(self.told) if whole.startswith(self.told) else None


def answer_of(result: RunResult[Any], field: str) -> str | None:
    """Return the answer of a run as text: what is no text as JSON; None if there is none."""
    answer = shown(result.context)[field]
    return answer if answer is None or isinstance(answer, str) else to_json(answer).decode()


def standing_of(result: RunResult[Any]) -> dict[str, Any]:
    """Return where a run stands, or has ended, and how it got there, as JSON."""
    landing = result.landing
    return {
        "run_id": result.run_id,
        "state": result.state.name,
        "landing": None if landing is None else landing.reason,
        "path": [hop._asdict() for hop in result.path],
    }
