"""Marks on the fields of a context: who may write a field before any agent does.

    query: str                            required: the caller gives it
    locale: Given[str] = "en"             the caller may give it; agents may read it from the start
    notes: Preset[tuple[str, ...]] = ()   agents may read it from the start, and only agents write it
    verified: bool = False                agents may read it once one of them has written it

To a type checker `Given[str]` is `str`.
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal, TypeVar

T = TypeVar("T")


class Mark:
    """What a field is marked as."""

    def __init__(self, name: Literal["Given", "Preset"]) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:  # a copy of a field is a field with the same mark
        return isinstance(other, Mark) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name


GIVEN, PRESET = Mark("Given"), Mark("Preset")

Given = Annotated[T, GIVEN]
"""A field with a default that the caller may set: `locale: Given[str] = "en"`.

Agents may read it from the start. The proof assumes nothing of its first value.
"""

Preset = Annotated[T, PRESET]
"""A field that starts with its default and that only agents write: `notes: Preset[tuple[str, ...]] = ()`.

Agents may read it from the start, as what is carried round a loop. The proof starts from the default, so the caller may
not set it.
"""


def marks_in(annotation: Any) -> list[Mark]:
    """Return the marks that stand inside an annotation or its alias, as in `Given[str] | None`: they mark nothing."""
    parts = (*typing.get_args(annotation), *([annotation.__value__] if hasattr(annotation, "__value__") else []))
    own = [part for part in parts if isinstance(part, Mark)]
    return own + [mark for part in parts for mark in marks_in(part)]
