"""How a field is declared as Preset, in the words in which its user declared it."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Any

import typing_extensions
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .context import Context

_MOST_CHARS = 60
"""Of an annotation or a default; a longer one is left to its user."""


def as_preset(context: type[Context], field: str) -> str:
    """Return the declaration of a field with a default, marked Preset: "notes: Preset[tuple[str, ...]] = ()"."""
    info = context.__pydantic_fields__[field]
    return f"{field}: Preset[{_annotation(context, field, info)}] = {_default(info)}"


def _annotation(context: type[Context], field: str, info: FieldInfo) -> str:
    for base in context.__mro__:
        own: dict[str, Any] = typing_extensions.get_annotations(base, format=typing_extensions.Format.FORWARDREF)
        if field in own:
            return _as_text(own[field], base.__module__)
    return _as_text(info.annotation, context.__module__)


def _as_text(annotation: object, module: str) -> str:
    """Return an annotation as it is written in its module; where annotations are not evaluated it is a text already."""
    if isinstance(annotation, str):
        return _short(annotation)
    return _short(inspect.formatannotation(annotation, base_module=module).replace("typing.", ""))


def _default(info: FieldInfo) -> str:
    if info.default is PydanticUndefined:
        return "Field(default_factory=...)"
    default = info.default
    written = f"{type(default).__name__}.{default.name}" if isinstance(default, Enum) else repr(default)
    return _short(written if not written.startswith("<") else "...")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARS and text.isprintable() else "..."
