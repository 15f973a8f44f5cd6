"""Pinned files: the tools of a server as they were when somebody looked at them, as JSON that has one spelling."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

Json = dict[str, Any]


class Described(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """A tool as its server describes it."""

    input_schema: Json
    description: str = ""
    output_schema: Json | None = None


Pinned = Mapping[str, Described]
"""The tools of a server by their names."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    tools: dict[str, Described]


def to_text(tools: Pinned) -> str:
    """Return the text of a pinned file: the same for the same tools, in whatever order they and their parts came.

    Raises ValueError: if a number in them is infinite, which is no JSON.
    """
    told = msgspec.to_builtins({"tools": tools})
    return json.dumps(told, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def from_text(text: bytes) -> Pinned:
    """Return the tools of a pinned file, all parts in the order of their names.

    Raises ValueError: if it is none.
    """
    try:
        tools = msgspec.json.decode(text, type=_File).tools
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    # the order of properties is that of the form: a digest does not see it, so there is one
    again = json.dumps(msgspec.to_builtins({"tools": tools}), sort_keys=True)
    return msgspec.json.decode(again, type=_File).tools


def changes(before: Pinned, after: Pinned, names: Collection[str]) -> list[str]:
    """Return what changed of some tools, such as "refund is gone" and "find: inputSchema.properties.query.type"."""
    found = list[str]()
    for name in sorted(names):
        if name not in after or name not in before:
            found.append(f"{name} is {'gone' if name in before else 'new'}")
        else:
            one, other = msgspec.to_builtins(before[name]), msgspec.to_builtins(after[name])
            found += [f"{name}: {place}" for place in _differences(one, other)]
    return found


def _differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Yield the places at which two values differ as JSON, in which True is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            below = f"{place}.{key}" if place else key
            if key in one and key in other:
                yield from _differences(one[key], other[key], below)
            else:
                yield below
    elif json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True):
        yield place
