"""Records as structlog events: one for each record, with no prompt text in it."""

from __future__ import annotations

from functools import cache
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
    bound = log

    def observe(record: Record) -> None:
        nonlocal bound
        # Bound anew for each run and not for each line, which costs as much as the line itself. Not once for all: what
        # the application configures in between holds from the next run on.
        if isinstance(record, records.RunStarted) or bound is log:
            bound = log.bind()
        tell = bound.warning if isinstance(record, records.VisitStarted) and record.is_frequent else bound.info
        tell(record.kind, **fields(record, texts=texts))

    return observe


def fields(record: Record, *, texts: bool = False) -> dict[str, Any]:
    """Return the fields of a record for a log line; those that are None are left out."""
    stamp, kind = record.stamp, type(record)
    line: dict[str, Any] = {
        "machine": stamp.machine,
        # not `thread`: structlog may hand these keys to the standard library, whose records have such an attribute
        "run_id": stamp.run_id,
        "trace_id": stamp.trace_id,
        "state": stamp.state,
        "hops": stamp.hops,
        "settled": stamp.settled,
        "reserved": stamp.reserved,
        "remaining": stamp.remaining,
        "seconds": round(stamp.at, 6),
    }
    if stamp.thread_id is not None:
        line["thread_id"] = stamp.thread_id
    if stamp.agent is not None:
        line["agent"] = stamp.agent
    if stamp.path:
        line["path"] = ".".join(map(str, stamp.path))
        line["root"] = stamp.root
    for name, key, is_always in _own(kind, texts):
        value = getattr(record, name)
        if value or (is_always and value is not None):
            line[key] = round(value, 6) if isinstance(value, float) else value
    if isinstance(record, records.CallSettled) and (usage := record.usage) is not None:
        line |= {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        if usage.cached_input_tokens:
            line["cached_input_tokens"] = usage.cached_input_tokens
    elif isinstance(record, records.Asked):
        line["asks"] = [f"{each.ask} {each.kind} {each.name}".rstrip() for each in record.asks]
    return line


@cache
def _own(kind: type[Record], texts: bool) -> tuple[tuple[str, str, bool], ...]:
    """Return what is told of a record beside its stamp: its fields, their keys, and which are told if they are 0."""
    hidden = _LEFT_OUT if texts else _LEFT_OUT | _TEXTS
    shown = [name for name in kind.__struct_fields__ if name not in hidden]
    return tuple((name, _OTHERWISE.get(name, name), name not in _ONLY_IF_SO) for name in shown)
