"""How a text that is streamed is cut into what comes at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

Pieces = Callable[[str], list[str]]


def by_fives(text: str) -> list[str]:
    """Cut a text into pieces of five characters, about a token each; one that is huge into a thousand pieces."""
    size = max(5, len(text) // 1_000)
    return [text[start : start + size] for start in range(0, len(text), size)]


def by_chance(seed: int, *, cuts: int) -> Pieces:
    """Return what cuts each text at places that chance chooses, some of which may be its ends.

    Args:
        cuts: how many; fewer in a text of fewer characters.
    """
    chance = random.Random(seed)

    def pieces(text: str) -> list[str]:
        places = sorted(chance.sample(range(len(text) + 1), k=min(len(text), cuts)))
        return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]

    return pieces
