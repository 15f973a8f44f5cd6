"""The dialect of JSON schema that every strict mode takes, and how the fields that a model writes are said in it.

In it every property is required, nothing has a default, and each part is a type, an enum, a choice or a reference that
stands alone. What it has no word for, such as a bound or a format, is said in the description; what came is checked
against it later. A tuple of fixed length is an object whose keys are its places, "1", "2", and so on: strict modes know
no tuples, and a list would be endless. What is left cannot be asked of a model.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from ..errors import ContextError

Json = dict[str, Any]

WORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs", "description"}
)
"""Every word of the dialect. Keep in sync with `fsm_orch.models.local`, which knows that its grammar obeys them."""

REWRITTEN = WORDS | {"const", "oneOf", "allOf", "prefixItems"}
"""Words that are said in those of the dialect."""
SILENT = {"title", "default", "examples", "deprecated", "readOnly", "writeOnly", "discriminator", "contentSchema"}
"""Words that do not narrow what a value may be."""

SAID: Mapping[str, str] = {
    "format": "format {}",
    "contentMediaType": "as {}",
    "pattern": "matches the pattern {}",
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "maxDigits": "at most {} digits",
    "maxDecimals": "at most {} digits after the point",
    "now": "in the {}",
    "minLength": "characters: at least {}",
    "maxLength": "characters: at most {}",
    "minItems": "items: at least {}",
    "maxItems": "items: at most {}",
}
"""How a description says what the dialect has no word for, in this order; any other word is said as it is."""

_EXAMPLES: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T09:30:00Z",
    "time": "09:30:00",
    "duration": "PT1H30M",
    "decimal": "19.99",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
}
"""Formats that a model may not know by name."""

_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
}


class Unsayable(ContextError):
    """A part of a type has no place in the dialect; the message says which."""


class Said(NamedTuple):
    """What a model is asked for."""

    schema: Json
    has_places: bool
    """Whether a tuple of fixed length is in it, so that what comes back must be read by `with_places`."""


def said(model: type[BaseModel]) -> Said:
    """Return what a model is asked for to fill in a class.

    Raises Unsayable: if the dialect has no place for a field.
    """
    return said_of(model.model_json_schema(schema_generator=_Bounded))


def said_of(schema: Json) -> Said:
    """Return what a model is asked for to fill in a schema that is written in the words of pydantic's.

    Raises Unsayable: if the dialect has no place for a part.
    """
    writer = _Writer()
    return Said(writer.part(schema), writer.has_places)


def why_unsayable(annotation: Any) -> str | None:
    """Return what of a type has no place in the dialect; None if all has."""
    try:
        _Writer().part(TypeAdapter(annotation).json_schema(schema_generator=_Bounded))
    except Unsayable as error:
        return str(error)
    except Exception:  # of any kind: what a user's type says of itself is user code
        return "values that have no JSON schema"
    return None


def is_recursive(annotation: Any) -> bool:
    """Return whether a type contains itself. Some strict modes do not take that, though the dialect can say it."""
    try:
        schema = TypeAdapter(annotation).json_schema()
    except Exception:  # as above
        return False
    try:
        TopologicalSorter({name: _references(part) for name, part in schema.get("$defs", {}).items()}).prepare()
    except CycleError:
        return True
    return False


def _references(part: Any) -> Iterator[str]:
    """Yield the names of the classes that a part of a schema refers to."""
    if isinstance(part, Mapping):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"].removeprefix("#/$defs/")
        part = list(part.values())
    for inner in part if isinstance(part, list) else ():
        yield from _references(inner)


def with_places(pairs: Json) -> Any:
    """Return an object of a reply, or the list that it stands for: one whose keys are "1", "2" and so on.

    No field of a class is named by a number, so no other object looks like that.
    """
    places = [str(number) for number in range(1, len(pairs) + 1)]
    return [pairs[place] for place in places] if pairs and pairs.keys() == set(places) else pairs


class _Writer:
    """A schema of pydantic's that is being rewritten."""

    def __init__(self) -> None:
        self.has_places = False

    def part(self, schema: Json) -> Json:
        """Return a part of a schema in the dialect.

        Raises Unsayable: if it has no place there.
        """
        if len(schema.get("allOf", ())) == 1:
            return self.part({**schema["allOf"][0], **{word: v for word, v in schema.items() if word != "allOf"}})
        made = self._kind(schema)
        if "$defs" in schema:
            made["$defs"] = {name: self.part(part) for name, part in schema["$defs"].items()}
        description = _description(schema)
        if description and "$ref" in made:  # a reference stands alone
            made = {"anyOf": [made]}
        return made | ({"description": description} if description else {})

    def _kind(self, schema: Json) -> Json:
        """Return what a part is, without what is said of it."""
        if "$ref" in schema:
            return {"$ref": schema["$ref"]}
        if "const" in schema or "enum" in schema:
            return _one_of(schema.get("enum", [schema.get("const")]))
        if "anyOf" in schema or "oneOf" in schema:
            return {"anyOf": [self.part(part) for part in schema.get("anyOf") or schema["oneOf"]]}
        match schema.get("type"):
            case "array":
                return self._array(schema)
            case "object":
                return self._object(schema)
            case None:
                raise Unsayable("values of any kind")
            case [*kinds]:  # written by hand: pydantic says it as a choice
                return {"anyOf": [self._kind({**schema, "type": kind}) for kind in kinds]}
            case kind:
                return {"type": kind}

    def _array(self, schema: Json) -> Json:
        if "prefixItems" in schema:
            self.has_places = True
            places = (_titled(part) for part in schema["prefixItems"])
            return closed({str(number): self.part(part) for number, part in enumerate(places, start=1)})
        if "items" not in schema:
            raise Unsayable("a tuple of nothing")
        return {"type": "array", "items": self.part(schema["items"])}

    def _object(self, schema: Json) -> Json:
        if "properties" not in schema and schema.get("additionalProperties") is not False:
            raise Unsayable("objects with any keys")
        return closed({name: self.part(part) for name, part in schema.get("properties", {}).items()})


def closed(properties: Json) -> Json:
    """Return the schema of an object that has exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _titled(part: Json) -> Json:
    """Return a place of a tuple that says its name, if it has one: in a named tuple that is its title."""
    return {"description": part["title"], **part} if "title" in part and "$ref" not in part else part


def _one_of(values: list[Any]) -> Json:
    """Return an enum; where its values are of several types, a choice of one for each."""
    kinds = {kind: [value for value in values if type(value) is kind] for kind in map(type, values)}
    enums = [{"type": _TYPES[kind], "enum": members} for kind, members in kinds.items() if kind in _TYPES]
    if len(enums) < len(kinds):
        raise Unsayable("a choice among values that are neither texts, numbers nor booleans")
    return enums[0] if len(enums) == 1 else {"anyOf": enums}


def _description(schema: Json) -> str:
    """Return what is said of a part: its description, and each word that the dialect does not have."""
    more = "; ".join(_phrases(schema))
    described = schema.get("description", "")
    return f"{described} ({more})" if described and more else described or more


def _phrases(schema: Json) -> Iterator[str]:
    left = schema.keys() - REWRITTEN - SILENT
    if "prefixItems" in schema:  # its places say how many there are
        left -= {"minItems", "maxItems"}
    for word in [word for word in SAID if word in left]:
        value = schema[word]
        example = f", like {_EXAMPLES[value]}" if word == "format" and value in _EXAMPLES else ""
        yield SAID[word].format(value) + example
    if schema.get("uniqueItems"):
        yield "no item twice"
    for word in sorted(left - SAID.keys() - {"uniqueItems"}):
        if not word.startswith("x-"):
            yield f"{word} {json.dumps(schema[word], default=str)}"


class _Bounded(GenerateJsonSchema):
    """pydantic's schema, with the bounds of dates and of decimals, which it leaves out."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> Json:
        # as a text alone: a number with a point is a float to most readers, and loses digits
        return {"type": "string", "format": "decimal", **_bounds(schema)}

    def date_schema(self, schema: core_schema.DateSchema) -> Json:
        return super().date_schema(schema) | _bounds(schema)

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> Json:
        return super().datetime_schema(schema) | _bounds(schema)

    def time_schema(self, schema: core_schema.TimeSchema) -> Json:
        return super().time_schema(schema) | _bounds(schema)

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> Json:
        return super().timedelta_schema(schema) | _bounds(schema)


_BOUNDS: Mapping[str, str] = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "max_digits": "maxDigits",
    "decimal_places": "maxDecimals",
    "now_op": "now",
}
"""What pydantic's core calls a bound, and its word here: JSON schema's own, or one of ours."""


def _bounds(schema: Any) -> Json:
    return {word: str(schema[key]) for key, word in _BOUNDS.items() if schema.get(key) is not None}
