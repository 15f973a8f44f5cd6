"""What a user's function may raise: failures of its own, and interrupts that are meant for whoever called it."""

from __future__ import annotations

import asyncio

import pytest


class Own(BaseException):
    """An application's own exception, which no `except Exception` takes."""


def raised_by(stop: object) -> BaseException:
    """Return what one of pytest's functions raises, such as `pytest.fail`."""
    return stop.Exception("stop")  # type: ignore[attr-defined, no-any-return]


FAILURES = [
    ValueError("secret"),
    SystemExit(3),
    asyncio.CancelledError(),
    ExceptionGroup("two", [ValueError("secret"), KeyError("secret")]),
    BaseExceptionGroup("exits", [ValueError("secret"), BaseExceptionGroup("inner", [SystemExit(3)])]),
    raised_by(pytest.exit),
]
"""What lands a run, and never reaches its caller."""

INTERRUPTS = [
    KeyboardInterrupt(),
    GeneratorExit(),
    Own("stop"),
    BaseExceptionGroup("mixed", [ValueError("secret"), Own("stop")]),
    raised_by(pytest.fail),
    raised_by(pytest.skip),
]
"""What lands a run, and reaches its caller."""
