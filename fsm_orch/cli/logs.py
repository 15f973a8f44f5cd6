"""The log of a command: lines of JSON on stderr, by a logger of its own. structlog's configuration is the user's."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack, suppress
from typing import Any, TextIO, cast

import structlog


def json_logger() -> Any:
    """Return a logger that writes each event to stderr as a line of JSON."""
    return structlog.wrap_logger(
        structlog.WriteLogger(cast("TextIO", _Lossy(sys.stderr))),
        processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
        wrapper_class=structlog.BoundLogger,
        context_class=dict,
    )


class _Lossy:
    """Leaves out what cannot be written, such as on a full disk, or once nobody reads it: it is worth no request."""

    def __init__(self, out: TextIO | None) -> None:
        self._out = out

    def write(self, text: str, /) -> int:
        """Write a line, if that can be done."""
        with suppress(OSError, ValueError):
            if self._out is not None:
                self._out.write(text)
        return len(text)

    def flush(self) -> None:
        """Have it written now."""
        with suppress(OSError, ValueError):
            if self._out is not None:
                self._out.flush()


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
