"""Values as JSON that is the same in every process and with every version of another library.

What JSON has no word for is written under the name of its type, so that no two values that differ look alike: a set is
not a tuple, `b"a"` is not `"a"`. Nothing is left out or masked.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel

from .source import name_of

_ADDRESSES: Set[object] = {object.__repr__, object.__str__}
_WORDS = (type(None), bool, int, str)


def plain(value: object) -> Any:
    """Return a value as JSON; functions and types by their names."""
    kind = type(value)
    if kind in _WORDS:
        return value
    if kind is float and math.isfinite(value):  # type: ignore[arg-type]
        return value
    if kind in (tuple, list):  # no context holds a list
        return [plain(item) for item in value]  # type: ignore[attr-defined]
    if isinstance(value, type) or hasattr(value, "__qualname__"):
        return {"named": name_of(value)}
    return {_title(value): _parts(value)}


def _title(value: object) -> str:
    return "path" if _is_path(value) else name_of(type(value))


def _parts(value: Any) -> Any:
    """Return what a value is made of, as JSON; its text if it has no parts."""
    if isinstance(value, Enum):
        return value.name or plain(value.value)  # several flags together have no name
    if isinstance(value, Set):
        return sorted(map(plain, value), key=_text)  # its own order differs from process to process
    if isinstance(value, Mapping):
        return [[plain(key), plain(held)] for key, held in value.items()]
    if isinstance(value, BaseModel):
        return {name: plain(held) for name, held in vars(value).items()}
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, re.Pattern):
        return [plain(value.pattern), value.flags]
    if _is_path(value):
        return value.as_posix()
    # what says nothing of itself is shown with its address, which is another one in every process
    return None if {type(value).__repr__, type(value).__str__} <= _ADDRESSES else str(value)


def _is_path(value: object) -> bool:
    # by a method: a path is of another class on another system, and where nothing is read or written none is imported
    return hasattr(value, "as_posix")


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
