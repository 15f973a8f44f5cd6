"""Embedders that need no weights, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase


class Letters:
    """An embedder for which texts of the same letters are alike."""

    name = "letters"

    def __init__(self) -> None:
        self.seen: list[str] = []
        """All texts that it was given, in their order."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Count the letters of each text."""
        self.seen += texts
        return [[float(text.casefold().count(letter)) for letter in ascii_lowercase] for text in texts]
