"""What went wrong beside a run, as it is logged."""

from __future__ import annotations

import logging
from contextlib import suppress

_log = logging.getLogger("fsm_orch")


def report(text: str, *values: object, level: int = logging.ERROR) -> None:
    """Log what went wrong beside a run; a handler of the application that raises does not touch the run."""
    with suppress(BaseException):  # of any kind: a handler is a guest, as observers are
        _log.log(level, text, *values)
