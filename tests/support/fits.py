"""Whether JSON fits a schema, in the dialect that models are asked in: said again, for tests alone."""

from __future__ import annotations

from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def fits(value: Any, schema: Any, root: Any = None) -> bool:
    """Return whether a value fits a schema.

    Args:
        root: the whole schema, to which references refer; None: it is this one.
    """
    root = schema if root is None else root
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    if "anyOf" in schema:
        return any(fits(value, part, root) for part in schema["anyOf"])
    is_bool = isinstance(value, bool)
    if not isinstance(value, _KINDS[schema["type"]]) or is_bool != (schema["type"] == "boolean"):
        return False
    if "enum" in schema and not any(value == one and is_bool == isinstance(one, bool) for one in schema["enum"]):
        return False
    if isinstance(value, list):
        return all(fits(item, schema["items"], root) for item in value)
    if isinstance(value, dict):
        parts = schema["properties"]
        return value.keys() == parts.keys() and all(fits(held, parts[name], root) for name, held in value.items())
    return True
