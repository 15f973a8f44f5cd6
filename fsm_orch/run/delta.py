"""Text deltas: what was added to the answer of a run, told while a model writes it. A delta is no record."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from ..kernel.effects import Path
from ..kernel.records import AttemptFailed, CallReserved, Landed, Record, Refused


class TextDelta(Struct, frozen=True, kw_only=True):
    """What was added to a field of the answer of a run; it is in no journal.

    It is told once nothing but a cut can still refuse it. The answer stands when a `HandedOff` follows; a record that
    comes before that may take back all of it: see `is_withdrawn_by`.
    """

    path: Path
    """The machine in the tree; `()` is the run itself."""
    hops: int
    """The hops that had been taken when the visit began."""
    attempt: int
    """Counts from 1 in the visit."""
    field: str
    text: str
    """Never empty. The texts of the last call of a visit, in order, are the field as it is committed."""

    def joined(self, later: TextDelta) -> TextDelta:
        """Return this with the text of one that comes right after it, between the same two records."""
        return replace(self, text=self.text + later.text)

    def is_withdrawn_by(self, record: Record) -> bool:
        """Return whether a record that follows takes the text back: it was cut off, and may come anew."""
        return isinstance(record, CallReserved | Refused | AttemptFailed | Landed) and record.stamp.path == self.path


OnDelta = Callable[[TextDelta], object]
"""Is told each delta. It never raises."""

Reader = Callable[[Record | TextDelta], object]
"""Is told each record of one run, and each delta. It never raises."""
