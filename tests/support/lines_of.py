"""The lines of a log that `log_records` writes of records, as an application would have them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import orjson
import structlog

from fsm_orch.observe import Observer, Record
from fsm_orch.observe.log import log_records


def logging_to(stream: io.BytesIO, *processors: Any) -> Observer:
    """Return an observer that logs to a stream, through a chain that ends in JSON."""
    logger = structlog.wrap_logger(
        structlog.BytesLogger(stream),
        processors=[*processors, structlog.processors.JSONRenderer(serializer=orjson.dumps)],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
    )
    return log_records(logger)


def lines_of(records: Iterable[Record], *, at: str | None = None) -> list[bytes]:
    """Return the lines of records, with their ends.

    Args:
        at: when each was written; None: they do not say.
    """
    stream = io.BytesIO()
    observe = logging_to(stream, *([lambda _, __, line: {**line, "timestamp": at}] if at else []))
    for record in records:
        observe(record)
    return stream.getvalue().splitlines(keepends=True)
