"""What pydantic's validation makes of the fields of a context: their defaults, and the values that they can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from ...define.context import Context

UNCLEAR = object()
"""Stands for a value that cannot be found out; it equals no value."""


def default_of(context_type: type[Context], name: str) -> object:
    """Return the value with which a run begins if a field is left at its default.

    UNCLEAR is returned if a factory makes the default, or no run can begin with it.
    """
    field = context_type.__pydantic_fields__[name]
    if field.default_factory is not None:
        return UNCLEAR
    return _round_trip(_adapter(context_type, name), field.default)


def has_validators(context_type: type[Context]) -> bool:
    """Return whether the user's own code takes part in making the values of a context, at any depth of its fields."""
    return _has_users_code(context_type.__pydantic_core_schema__)


def admitted(context_type: type[Context], name: str, values: Sequence[object]) -> tuple[object, ...]:
    """Return those values that a field can hold in a run: its constraints accept them, and JSON gives them back.

    All of them are returned if the user's own code takes part, and none if the field may hold values that are not
    listed.
    """
    # Too many values only make an exploration larger. One value too few would leave real runs out, so a value goes only
    # if pydantic alone decides and refuses it, and the whole list if the field can hold something that is not on it.
    adapter = _adapter(context_type, name)
    if _may_widen(context_type, name, adapter.core_schema):
        return ()
    held_values = [_round_trip(adapter, value) for value in values]
    listed = {(type(value), value) for value in values}
    if any(held is not UNCLEAR and (type(held), held) not in listed for held in held_values):
        return ()
    if _has_users_code(adapter.core_schema):
        return tuple(values)
    return tuple(v for v, held in zip(values, held_values, strict=True) if type(v) is type(held) and v == held)


def _adapter(context_type: type[Context], name: str) -> TypeAdapter[Any]:
    annotation = context_type.__pydantic_fields__[name].rebuild_annotation()
    return TypeAdapter(annotation, config=context_type.model_config)


def _round_trip(adapter: TypeAdapter[Any], value: object) -> Any:
    """Return what a run holds of a value: what validation makes of it, written as JSON and read as a journal is."""
    try:
        return adapter.validate_json(adapter.dump_json(adapter.validate_python(value), warnings=False))
    except Exception:  # pydantic's own, or whatever a validator raises, which is user code
        return UNCLEAR


def _may_widen(context_type: type[Context], name: str, schema: Any) -> bool:
    """Return whether a validator stands in place of a field's type or around it, and so may let anything pass."""
    own = context_type.__pydantic_decorators__.field_validators.values()
    modes: set[str] = {validator.info.mode for validator in own if not {name, "*"}.isdisjoint(validator.info.fields)}
    # what writes a value as JSON has the same types, and its function is not in a dict
    users = (node for node in _nodes(dict(schema)) if isinstance(node.get("function"), dict) and _is_users(node))
    modes |= {str(node["type"]).removeprefix("function-") for node in users}
    return not modes.isdisjoint(("plain", "wrap"))


def _has_users_code(schema: Any) -> bool:
    return any(map(_is_users, _nodes(dict(schema))))


def _nodes(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield every part of a core schema, in which pydantic has resolved aliases, unions, marks and decorators."""
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
    function = given["function"] if isinstance(given, dict) else given  # wrapped in a dict for a validator only
    # Types such as URLs and IP addresses are read by functions of their own modules. These change no other field, so
    # they do not count; a function of an unnamed module does.
    module = getattr(getattr(function, "func", function), "__module__", None) or ""
    return module.split(".")[0] not in ("pydantic", "ipaddress")
