"""What validation makes of a context's fields: their defaults, the values they admit, and who decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from ...define.context import Context

_UNCLEAR = object()


def default_of(context_type: type[Context], name: str) -> object:
    """Give what a run holds of a default: what validation makes of it, read again as a journal is.

    A value of no kind if that is not known, or no run can begin with it.
    """
    field = context_type.__pydantic_fields__[name]
    if field.default_factory is not None:
        return _UNCLEAR
    return _back(_adapter(context_type, name), field.default)


def has_validators(context_type: type[Context]) -> bool:
    """Tell whether code of the user's makes the values of a context, wherever in its fields it stands."""
    return _has_users_code(context_type.__pydantic_core_schema__)


def admitted(context_type: type[Context], name: str, values: Sequence[object]) -> tuple[object, ...]:
    """Give the values that a field can hold in a run: its constraints admit them, and JSON gives them back.

    All of them if code of the user's has a say, and none if others come back.
    """
    adapter = _adapter(context_type, name)
    if _has_users_code(adapter.core_schema):
        return tuple(values)
    back = [_back(adapter, value) for value in values]
    listed = {(type(value), value) for value in values}
    if any(held is not _UNCLEAR and (type(held), held) not in listed for held in back):
        return ()
    return tuple(v for v, held in zip(values, back, strict=True) if type(v) is type(held) and v == held)


def _adapter(context_type: type[Context], name: str) -> TypeAdapter[Any]:
    annotation = context_type.__pydantic_fields__[name].rebuild_annotation()
    return TypeAdapter(annotation, config=context_type.model_config)


def _back(adapter: TypeAdapter[Any], value: object) -> Any:
    """Give what a run holds of a value: what validation makes of it, read again as a journal is."""
    try:
        return adapter.validate_json(adapter.dump_json(adapter.validate_python(value)))
    except ValueError:  # pydantic's own are
        return _UNCLEAR


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
