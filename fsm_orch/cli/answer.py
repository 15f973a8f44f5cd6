"""The answer of a run while it is written: its last lines on a terminal, until it stands or is taken back."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ..kernel.records import HandedOff, Record
from ..run.delta import TextDelta
from ..run.result import cut
from .show import safe


class LiveAnswer:
    """The answer under way, as far as it is written.

    Args:
        out: the terminal that it is shown on.
    """

    def __init__(self, out: Console) -> None:
        self._out = out
        self._deltas: list[TextDelta] = []

    def add(self, delta: TextDelta) -> Text:
        """Take what was added. Return the last lines of the answer, as many as the terminal has room for."""
        self._deltas.append(delta)
        said = safe(self._text())
        lines = [line.plain for part in said.splitlines() for line in Text(part).wrap(self._out, self._out.width - 4)]
        return Text("\n  ".join(["answers", *lines[-max(1, self._out.height - 6) :]]), style="dim")

    def is_ended_by(self, record: Record) -> bool:
        """Return whether there is an answer, and a record ends it: it stands, or is taken back."""
        if not self._deltas:
            return False
        is_committed = isinstance(record, HandedOff) and not record.stamp.path
        return is_committed or self._deltas[-1].is_withdrawn_by(record)

    def end(self, record: Record) -> str | None:
        """Forget the answer, which a record ends. Return what is taken back of it; None: it stands."""
        withdrawn = f"withdrawn: {cut(self._text())}" if self._deltas[-1].is_withdrawn_by(record) else None
        self._deltas.clear()
        return withdrawn

    def _text(self) -> str:
        return "".join([delta.text for delta in self._deltas])
