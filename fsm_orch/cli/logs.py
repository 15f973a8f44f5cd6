"""The log of a command: lines of JSON on stderr, by a logger of its own. structlog's configuration is the user's."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import Any

import structlog


def json_logger() -> Any:
    """Return a logger that writes each event to stderr as a line of JSON."""
    return structlog.wrap_logger(
        structlog.WriteLogger(sys.stderr),
        processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
    )


class Reports(logging.Handler):
    """Writes what the library reports to a logger of structlog.

    Args:
        log: such as `json_logger` returns.
    """

    def __init__(self, log: Any) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one report."""
        self._log.msg("report", level=record.levelname.lower(), message=record.getMessage())


def reported(log: Any, stack: ExitStack) -> None:
    """Write what the library, an engine, and a server report to a log."""
    handler = Reports(log)
    for name, level in (
        ("fsm_orch", logging.INFO),
        ("dbos", logging.WARNING),
        ("uvicorn.error", logging.WARNING),
        ("temporalio", logging.WARNING),
    ):
        library = logging.getLogger(name)
        stack.callback(library.setLevel, library.level)
        library.setLevel(level)
        library.addHandler(handler)
        stack.callback(library.removeHandler, handler)
