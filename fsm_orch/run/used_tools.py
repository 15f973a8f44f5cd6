"""Which tools a run used, told from its records alone: their effects stand, wherever the run ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from ..kernel.records import Answered, Approved, Asked, Record

_Uses = dict[str, Counter[str]]
"""By tool: how often it was `used`, `failed`, and was left `unanswered`, or before that in want of an approval."""
_UNAPPROVED = "asked for, not approved"


def tools_in_words(records: Iterable[Record]) -> str:
    """Return which tools were used, in the run and inside it: "charge (once), mail (2 times, 1 failed)"; "" if none.

    A use that failed may have had an effect nevertheless. One without an answer may have been stopped on its way. One
    that was not approved did not begin.
    """
    return ", ".join(f"{tool} ({', '.join(_counts(uses))})" for tool, uses in _uses(records).items())


def _uses(records: Iterable[Record]) -> _Uses:
    """Count the uses of each tool, in the order in which they were first asked for."""
    found: _Uses = {}
    open_: dict[tuple[object, int], tuple[Counter[str], str]] = {}
    for record in records:
        if isinstance(record, Asked):
            for wanted in record.asks:
                # the numbers begin anew in each visit, so what the one before left open stays as it is
                open_.pop((record.stamp.path, wanted.ask), None)
                if wanted.kind == "tool":
                    uses = found.setdefault(wanted.name, Counter())
                    state = _UNAPPROVED if wanted.is_gated else "unanswered"
                    uses[state] += 1
                    open_[record.stamp.path, wanted.ask] = uses, state
        elif isinstance(record, Approved):
            uses, state = open_.get((record.stamp.path, record.ask), (Counter(), ""))
            uses[state] -= 1
            uses["unanswered"] += 1
            open_[record.stamp.path, record.ask] = uses, "unanswered"
        elif isinstance(record, Answered):
            uses, state = open_.pop((record.stamp.path, record.ask), (Counter(), ""))
            if state and record.end != "unneeded":
                uses[state] -= 1
                if record.end == "answered":
                    uses["used" if record.ok else "failed"] += 1
    return {tool: +uses for tool, uses in found.items() if +uses}


def _counts(uses: Counter[str]) -> Iterator[str]:
    if uses["used"]:
        yield "once" if uses["used"] == 1 else f"{uses['used']} times"
    yield from (f"{uses[kind]} {kind}" for kind in ("failed", "unanswered", _UNAPPROVED) if uses[kind])
