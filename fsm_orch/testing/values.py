"""Values for the fields of a schema, chosen by a tape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..agents.decision import form
from ..define.parts import USE
from .tape import Tape

Schema = Mapping[str, Any]
_DEPTH = 8
"""How deep a schema is followed that refers to itself."""


def fields_of(schema: Schema | None) -> Iterable[tuple[str, Schema]]:
    """Return the fields of an object schema, each with its own schema, to which the definitions are added."""
    if schema is None:
        return ()
    definitions = schema.get("$defs", {})
    return [(name, {**part, "$defs": definitions}) for name, part in schema.get("properties", {}).items()]


def ways_of(schema: Schema | None) -> Sequence[Schema]:
    """Return the ways to reply of a form that offers tools, each with the definitions added; none of any other form."""
    reply = dict(fields_of(schema)).get("reply")
    ways = [] if reply is None else [{**way, "$defs": reply["$defs"]} for way in reply.get("anyOf", (reply,))]
    return ways if any(USE in way.get("properties", ()) for way in ways) else ()


def by_schema(schema: Schema, tape: Tape, depth: int = _DEPTH) -> Any:
    """Return a JSON value that fits a schema in the dialect of `fsm_orch.agents.decision`.

    Args:
        schema: with its `$defs` in it.
        tape: decides.
        depth: levels that may still be opened; at 0, arrays and objects are empty and references are null.
    """
    known = schema.get("$defs", {})
    if "$ref" in schema:
        named = known.get(str(schema["$ref"]).rpartition("/")[2], {})
        return by_schema({**named, "$defs": known}, tape, depth - 1) if depth else None
    if "enum" in schema:
        return tape.pick(schema["enum"]) if schema["enum"] else "none"
    if "anyOf" in schema:
        options = schema["anyOf"] if depth else [{"type": "null"}]
        return by_schema({**tape.pick(options), "$defs": known}, tape, depth - 1 if depth else 0)
    match schema.get("type"):
        case "boolean":
            return bool(tape.below(2))
        case "integer":
            return tape.below(5)
        case "number":
            return tape.below(9) / 2
        case "null":
            return None
        case "array":
            item = {**schema.get("items", {}), "$defs": known}
            return [by_schema(item, tape, depth - 1) for _ in range(tape.below(3) if depth else 0)]
        case "object":
            return {name: by_schema(part, tape, depth - 1) for name, part in fields_of(schema)} if depth else {}
    return "some text"


def written(context: Any, names: Iterable[str], tape: Tape, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an agent writes, by field.

    Args:
        context: the class of the context.
        names: the fields that the agent declares.
        tape: decides.
        values: by field, what may be written; a field that is not named gets values made up from its type.
    """
    parts = fields_of(_schema(context, tuple(sorted(names))))
    return {name: tape.pick(values[name]) if values.get(name) else by_schema(part, tape) for name, part in parts}


@lru_cache(maxsize=1_000)
def _schema(context: Any, names: tuple[str, ...]) -> Schema | None:
    return form(context, names, (), ()).schema
