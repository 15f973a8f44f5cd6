"""Sure paths: those that runs take whatever opaque guards answer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ...kernel.inputs import Input
from .play import Play, Position

_MOST_POSITIONS = 256
"""The most positions that are followed at one time; a path on which answers lead to more is not called sure."""


def ends(play: Play, events: Sequence[Input]) -> list[Position] | None:
    """Take the inputs of a path with every answer of opaque guards, and return every position that it ends in.

    None is returned if the answers decide which states it passes through.
    """
    # An answer that decides nothing at once is remembered, and may decide something later on. So the edges of a path
    # may each be sure, and the path is not.
    positions: list[Position | None] = [None]
    for number, event in enumerate(events, 1):
        found: dict[Hashable, Position] = {}
        for position in positions:
            for moved, _ in play.take(position, event):
                found[play.key(moved.position)] = moved.position
        stands = {(p.now.state, p.now.hops, p.now.status) for p in found.values()}
        is_over = any(p.now.status == "finished" for p in found.values())
        if len(stands) > 1 or len(found) > _MOST_POSITIONS or (is_over and number < len(events)):
            return None
        positions = [*found.values()]
    return [position for position in positions if position is not None]
