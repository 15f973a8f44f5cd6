"""What validation makes of a context's fields: their defaults, the values they admit, and who decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..context import Context

_UNCLEAR = object()


def default_of(context_type: type[Context], name: str) -> object:
    """Give what a run holds of a default: what validation makes of it, read again as a journal is.

    A value of no kind if that is not known, or no run can begin with it.
    """
    field = context_type.__pydantic_fields__[name]
    if field.default_factory is not None:
        return _UNCLEAR
    adapter = _adapter(context_type, name)
    try:
        return adapter.validate_json(adapter.dump_json(adapter.validate_python(field.default)))
    except ValueError:  # pydantic's own are
        return _UNCLEAR


def has_validators(context_type: type[Context]) -> bool:
    """Tell whether code of the user's makes the values of a context, wherever in its fields it stands."""
    return _has_users_code(context_type.__pydantic_core_schema__)


def admitted(context_type: type[Context], name: str, values: Sequence[object]) -> tuple[object, ...]:
    """Give the values that the constraints of a field admit; all of them, if code of the user's has a say."""
    adapter = _adapter(context_type, name)
    if _has_users_code(adapter.core_schema):
        return tuple(values)
    return tuple(value for value in values if _admits(adapter, value))


def _adapter(context_type: type[Context], name: str) -> TypeAdapter[Any]:
    annotation = context_type.__pydantic_fields__[name].rebuild_annotation()
    return TypeAdapter(annotation, config=context_type.model_config)


def _admits(adapter: TypeAdapter[Any], value: object) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def _has_users_code(schema: Any) -> bool:
    return any(map(_is_users, _nodes(dict(schema))))


def _nodes(schema: object) -> Iterator[Mapping[str, Any]]:
    """List every part of a core schema, in which pydantic has resolved aliases, unions, marks and decorators."""
    if isinstance(schema, dict):
        yield schema
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list | tuple) else ():
        yield from _nodes(part)


def _is_users(node: Mapping[str, Any]) -> bool:
    if node.get("type") == "model":
        return bool(node.get("post_init") or node.get("custom_init"))
    if not str(node.get("type")).startswith("function-"):
        return False
    given = node["function"]
    function = given["function"] if isinstance(given, dict) else given  # a validator's; a serializer is not wrapped
    module = getattr(getattr(function, "func", function), "__module__", None) or ""
    return module.split(".")[0] not in ("pydantic", "ipaddress")
