"""What a model is shown, a text or JSON, cut where it is too long."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from pydantic_core import to_json

LEAST_CHARS = 20
"""The least that JSON is cut to."""

CUT = " [...]"
"""What stands for what was cut off."""


def cut(text: str, chars: int) -> str:
    """Return a text; one that is longer than so many characters is cut to them, and shows it."""
    if len(text) <= chars:
        return text
    return text[: chars - len(CUT)] + CUT if chars > len(CUT) else text[:chars]


def as_text(value: Any) -> str:
    """Return JSON as a text of one line."""
    return to_json(value).decode()


def shortened(value: Any, most_chars: int) -> Any:
    """Return JSON whose text is at most so many characters long: the value, or the start of its text."""
    text = as_text(value)
    if len(text) <= most_chars:
        return value
    start = value if isinstance(value, str) else text
    fits = bisect_right(range(len(start)), most_chars, key=lambda kept: len(as_text(f"{start[:kept]}{CUT}")))
    return f"{start[: max(0, fits - 1)]}{CUT}"
