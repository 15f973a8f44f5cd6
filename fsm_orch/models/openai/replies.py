"""How to read replies that may hold anything: the SDK validates none of them."""

from __future__ import annotations

from typing import Any

from ..wire import member


def items(value: Any) -> list[Any]:
    """Return what should be a JSON array; an empty list if it is not one."""
    return value if isinstance(value, list) else []


def joined(contents: list[Any], kind: str, key: str) -> str | None:
    """Return the texts of the parts of a kind, put together; None if there are none."""
    texts = [member(part, key) for part in contents if member(part, "type") == kind]
    said = [text for text in texts if isinstance(text, str)]
    return "".join(said) if said else None
