"""Whether a field takes every text as it is: a `str` without constraint or validator, which nothing can refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .context import Context

_PLAIN = frozenset({"type", "strict", "metadata", "ref"})
"""What may be said of a text that takes every one; anything else narrows or changes it."""


def takes_any_text(context: type[Context], field: str) -> bool:
    """Return whether a field takes every text and keeps it as it is, whatever the other fields hold.

    It is asked of what pydantic itself runs, where a validator shows wherever it was declared.
    """
    model = _resolved(context.__pydantic_core_schema__)
    fields = model.get("schema", {})
    # a validator of the class, or code of its own, may look at every field
    if model["type"] != "model" or fields.get("type") != "model-fields" or "serialization" in model:
        return False
    if model.get("custom_init") or model.get("post_init") or any(key.startswith("str_") for key in model["config"]):
        return False
    text = _inside(fields["fields"][field]["schema"])
    return text["type"] == "str" and text.keys() <= _PLAIN


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema of a class, without the definitions of the classes that it holds."""
    if schema["type"] != "definitions":
        return schema
    inner: Mapping[str, Any] = schema["schema"]
    known: Mapping[str, Mapping[str, Any]] = {each["ref"]: each for each in schema["definitions"]}
    return known[inner["schema_ref"]] if inner["type"] == "definition-ref" else inner


def _inside(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is inside a default and a choice of none."""
    while schema["type"] in ("default", "nullable") and "serialization" not in schema:
        schema = schema["schema"]
    return schema
