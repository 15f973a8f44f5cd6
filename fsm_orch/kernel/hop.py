"""A transition that was taken, as results and logs name it."""

from __future__ import annotations

from typing import NamedTuple


class Hop(NamedTuple):
    """A transition that was taken."""

    source: str
    handoff: str | None
    """None for the landing edge."""
    target: str

    def __str__(self) -> str:
        return f"{self.source} -{self.handoff or 'landing'}-> {self.target}"
