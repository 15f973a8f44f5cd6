"""Records as structlog events: one for each record, with no prompt text in it."""

from __future__ import annotations

from typing import Any

import structlog

from ..kernel import records
from ..kernel.records import Record
from .base import Observer

_TEXTS = frozenset({"detail"})
"""Fields that may quote what a model or a user said."""
_LEFT_OUT = frozenset({"stamp", "kind", "limits", "usage"})
_ONLY_IF_SO = frozenset({"is_frequent", "waited_s", "summaries"})
"""Fields that are left out where they are False or 0, as they mostly are."""
_OTHERWISE = {"seconds": "call_seconds"}
"""What a field of a record is called in a line, where the stamp has one of its name."""


def log_records(logger: Any = None, *, texts: bool = False) -> Observer:
    """Make an observer that logs every record as one structlog event.

    Args:
        logger: a structlog logger. None: `structlog.get_logger("fsm_orch")`, as the application configured it.
        texts: also log details, which may quote what a model or a user said.
    """
    # never `structlog.configure()`: what logs look like is for the application to say
    log = logger if logger is not None else structlog.get_logger("fsm_orch")

    def observe(record: Record) -> None:
        tell = log.warning if isinstance(record, records.VisitStarted) and record.is_frequent else log.info
        tell(record.kind, **fields(record, texts=texts))

    return observe


def fields(record: Record, *, texts: bool = False) -> dict[str, Any]:
    """Return the fields of a record for a log line; those that are None are left out."""
    stamp = record.stamp
    line: dict[str, Any] = {
        # not `thread`: structlog may hand these keys to the standard library, whose records have such an attribute
        "run_id": stamp.run_id,
        "thread_id": stamp.thread_id,
        "trace_id": stamp.trace_id,
        "state": stamp.state,
        "agent": stamp.agent,
        "hops": stamp.hops,
        "path": ".".join(map(str, stamp.path)) or None,
        "settled": stamp.settled,
        "reserved": stamp.reserved,
        "remaining": stamp.remaining,
        "seconds": round(stamp.at, 6),
    }
    hidden = _LEFT_OUT if texts else _LEFT_OUT | _TEXTS
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if name not in hidden and (value or name not in _ONLY_IF_SO):
            line[_OTHERWISE.get(name, name)] = round(value, 6) if isinstance(value, float) else value
    match record:
        case records.CallSettled(usage=usage) if usage is not None:
            line |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
            line["cached_input_tokens"] = usage.cached_input_tokens or None
        case records.Asked(asks=wanted):
            line["asks"] = [f"{each.ask} {each.kind} {each.name}".rstrip() for each in wanted]
    return {name: value for name, value in line.items() if value is not None}
