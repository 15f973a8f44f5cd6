"""JSON with the values of sets in one order: their own differs from process to process."""

from __future__ import annotations

import json
from collections.abc import Set
from typing import Any

from .same import parts_of


def in_one_order(value: object, written: Any) -> Any:
    """Return what was written of a value as JSON, with each set in it sorted.

    Args:
        value: the value that was written.
        written: it as JSON, in which a set is a list. What a serializer of the user's made otherwise stays as it is.
    """
    if isinstance(written, list) and isinstance(value, tuple | Set) and len(value) == len(written):
        # element by element: a set gives its own order, which stays the same as long as it is not changed
        inner = [in_one_order(part, told) for part, told in zip(value, written, strict=True)]
        return sorted(inner, key=_place) if isinstance(value, Set) else inner
    if isinstance(written, dict):
        parts = _by_alias(value) | dict(parts_of(value) or {})
        # what is no part is computed
        return {name: in_one_order(parts.get(name, getattr(value, name, None)), told) for name, told in written.items()}
    return written


def _by_alias(value: object) -> dict[Any, object]:
    """Return the parts of a value that are written under another name."""
    fields = getattr(type(value), "__pydantic_fields__", {})
    aliased = ((field.serialization_alias, name) for name, field in fields.items())
    return {alias: getattr(value, name) for alias, name in aliased if alias is not None}


def _place(told: Any) -> tuple[int, Any]:
    """Return what to sort by: numbers by size, then texts, then all else by its JSON."""
    if isinstance(told, int | float):
        return 0, told
    return (1, told) if isinstance(told, str) else (2, json.dumps(told, sort_keys=True))
