"""Exhaustion: where a model or a human is left one exit of several, since visits, hops or money closed the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...kernel.legal import menu
from .play import Play, Position
from .trace import Trace

_USED_UP = frozenset({"visits", "hops", "budget"})


@dataclass(frozen=True, kw_only=True)
class ForcedExit:
    """The one exit that a model or a human is left with."""

    state: str
    left: str
    """The exit that is left."""
    closed: tuple[tuple[str, str], ...]
    """The exits that are closed though their guards are open, each with what is used up: visits, hops or budget."""
    trace: Trace
    """A shortest path that ends there."""


class Seen(NamedTuple):
    """Where a forced exit was seen first."""

    node: int
    closed: tuple[tuple[str, str], ...]


class Exhaustion:
    """The lookout for forced exits, which is shown each visit that begins."""

    def __init__(self, play: Play) -> None:
        self.found: dict[tuple[str, str], Seen] = {}
        """By the state and the exit that is left."""
        self._play = play

    def look_into(self, node: int, position: Position) -> None:
        """Note the exit that exhaustion leaves to whoever chooses as a visit begins, if it leaves one of several."""
        now, play = position.now, self._play
        if now.visit is None or not play.compiled.states[now.state].spec.proposes:
            return
        # Opaque guards are taken to hold, so what is closed is closed by exhaustion alone.
        drawn, _ = play.oracle.replay(now.context, position.memory, (), lambda: menu(play.compiled, now), ())
        left = [handoff.name for handoff, against in drawn if against is None]
        closed = tuple((handoff.name, a.reason) for handoff, a in drawn if a is not None and a.reason in _USED_UP)
        if len(left) == 1 and closed:
            self.found.setdefault((now.state, left[0]), Seen(node, closed))
