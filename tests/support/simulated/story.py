"""What happened in a simulation, as a table that a person reads: when, who, what."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from .processes import here


class Broken(AssertionError):
    """A promise was broken; the message tells the story that led there."""


class Line(NamedTuple):
    """Something that happened."""

    at: float
    who: str
    what: str


class Story(logging.Handler):
    """The story of a simulation. What is logged is part of it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[Line] = []

    def say(self, who: str, what: str) -> None:
        """Tell what somebody does."""
        self.lines.append(Line(asyncio.get_running_loop().time(), who, what))

    def emit(self, record: logging.LogRecord) -> None:
        """Tell what was logged in a process."""
        process = here()
        self.say("the world" if process is None else process.name, f"logs: {record.getMessage()}")

    def table(self) -> str:
        """Return it as a table."""
        width = max((len(line.who) for line in self.lines), default=0)
        return "\n".join(f"{line.at:9.3f} s  {line.who:<{width}}  {line.what}" for line in self.lines)
