"""Arguments that somebody else's JSON schema describes: how a model is asked for them, and how they are read.

A model is asked in the dialect of `strict`, in which every property is required: null stands for an argument that may
be left out, and is left out. What came is validated against the schema itself, by `jsonschema`. A schema with a word
for which the dialect has no place is refused, by the name of the word.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from pydantic_core import from_json

from ..define.signature import Misfit
from ..define.strict import REWRITTEN, SAID, SILENT, Json, Unsayable, said_of
from ..define.wording import to_install
from ..errors import StartError
from .shortened import as_text, shortened

_WORDS = REWRITTEN | SILENT | SAID.keys() | {"uniqueItems", "$schema", "$id", "$comment"}
_WAYS = ("anyOf", "oneOf")
_NAMED = {"properties", "$defs"}
"""Words whose values are schemas by name."""
_LISTED = {*_WAYS, "allOf", "prefixItems"}
"""Words whose values are lists of schemas."""
_OWN = "#/$defs/"
"""How references to parts of a schema begin."""
_ESCAPING = frozenset("/~%\t\r\n")
"""Characters that a reference does not spell as they are."""
_TYPES: Mapping[object, type] = {"string": str, "integer": int, "number": float, "boolean": bool}
_LONGEST = 300
"""Characters of what a validator says that a model is told."""


class SchemaArguments:
    """What a model fills in to use a tool that somebody else describes.

    Args:
        schema: of an object, in JSON schema.

    Raises Unsayable: if it is no JSON schema, or a model cannot be asked for a part of it; names the part.
    Raises StartError: if the package that validates is missing.
    """

    schema: Json
    """What a model is asked for, in the dialect."""
    has_places: bool
    """Whether a list of fixed length is among them: see `strict`."""
    annotations: Mapping[str, Any]
    """By argument, its type if that is a simple one, else `object`."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        if schema.get("type") != "object":
            raise Unsayable("arguments that are no object")
        self._root: Json = {"properties": {}, **schema}
        try:
            self._validator = _validator(self._root)  # or its parts are not what they seem to be
            for problem in _problems_of(self._root):
                raise Unsayable(problem)
            self._validator = _validator(_closed(_without(self._root, "$id")))
            self.schema, self.has_places = said_of(_with_nulls(self._root))
        except RecursionError:
            raise Unsayable("parts that are too deep inside each other") from None
        self.annotations = {
            name: _TYPES.get(part["type"], object) if isinstance(part.get("type"), str) else object
            for name, part in self._root["properties"].items()
        }

    def read(self, given: Any) -> Json:
        """Return what came as a journal holds it, without what may be left out and is null.

        Raises Misfit: if it does not fit; says why.
        """
        try:
            made: Json = self._without_nulls(from_json(as_text(given)), self._root)
            error = _worst(self._validator.iter_errors(made))
        except OverflowError:
            raise Misfit("a number is too large") from None
        if error is not None:
            place = ".".join(map(str, error.absolute_path))
            raise Misfit(shortened(f"{place}: {error.message}" if place else error.message, _LONGEST))
        return made

    def _without_nulls(self, value: Any, schema: Mapping[str, Any]) -> Any:
        """Return a value without the properties that may be left out and are null."""
        if "$ref" in schema:
            return self._without_nulls(value, self._root["$defs"][schema["$ref"].removeprefix(_OWN)])
        for way in _ways(schema):
            made = self._without_nulls(value, way)
            if self._validator.evolve(schema=_closed(way)).is_valid(made):
                return made
        if isinstance(value, dict):
            parts, required = schema.get("properties", {}), schema.get("required", ())
            return {
                name: self._without_nulls(held, parts.get(name, {}))
                for name, held in value.items()
                if held is not None or name not in parts or name in required
            }
        if isinstance(value, list):
            places = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
            return [self._without_nulls(*each) for each in zip(value, [*places, *[{}] * len(value)], strict=False)]
        return value


def _validator(schema: Mapping[str, Any]) -> Any:
    try:
        from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise StartError(f"Tools that others describe need a package: {to_install('mcp')}") from error
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path))
        raise Unsayable(f"what is no JSON schema, at {place or 'its root'}") from None
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _worst(errors: Iterator[Any]) -> Any:
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - as above

    return best_match(errors)


def _problems_of(root: Mapping[str, Any]) -> Iterator[str]:
    """Yield what keeps a model from being asked for the arguments."""
    parts = root.get("$defs", {})
    # others mean something else where they are looked up, be it another part or a place in the network
    names = {f"{_OWN}{name}" for name in parts if not _ESCAPING & set(name)}
    yield from _problems(_without(root, "$id"), "arguments", names)
    try:
        TopologicalSorter({name: _stands_for(part) for name, part in parts.items()}).prepare()
    except CycleError as error:
        yield f"{min(error.args[1])!r}, which is nothing but itself"


def _ways(part: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas below one that are of the same value."""
    for word in (*_WAYS, "allOf"):
        yield from part.get(word, ())


def _stands_for(part: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the parts that the value of one may be at once."""
    if "$ref" in part:
        yield part["$ref"].removeprefix(_OWN)
    for way in _ways(part):
        yield from _stands_for(way)


def _problems(part: Any, place: str, names: Collection[str]) -> Iterator[str]:
    """Yield what keeps a model from being asked for a part of a schema.

    Args:
        names: how it may refer to parts.
    """
    if not isinstance(part, Mapping):
        yield f"{place}, which is no schema of its own"
        return
    names = () if "$id" in part else names  # a reference below means its own parts
    ways = [word for word in (*_WAYS, "$ref", "allOf") if word in part]
    joined = [*ways, *sorted(part.keys() & {"properties", "items", "prefixItems"})] if ways else []
    if unknown := sorted(word for word in part.keys() - _WORDS if not word.startswith("x-")):
        yield f"{place}, whose {unknown[0]!r} has no place in a form"
    if len(joined) > 1 or len(part.get("allOf", ())) > 1:
        yield f"{place}, which must be several things at once ({', '.join(joined) or 'allOf'})"
    if "$ref" in part and part["$ref"] not in names:
        yield f"{place}, which refers to {part['$ref']!r}, and not to one of its own $defs"
    if "enum" in part and not part["enum"]:
        yield f"{place}, which is one of nothing"
    if "1" in part.get("properties", {}):  # a list of places is read in its stead
        yield f"{place}, which has a property that is named by a number"
    for name, below in _below(part):
        yield from _problems(below, f"{place}.{name}" if name else place, names)
    try:
        said_of(_without(part, "$defs"))
    except Unsayable as error:
        yield f"{place}, which holds {error}"


def _below(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schemas right below one, each with its name if it has one."""
    for word in _NAMED:
        yield from part.get(word, {}).items()
    for word in _LISTED:
        yield from (("", below) for below in part.get(word, ()))
    if "items" in part and not ("prefixItems" in part and part["items"] is False):
        yield "items", part["items"]


def _changed(part: Mapping[str, Any], change: Callable[[Any], Any]) -> Json:
    """Return a schema with all of those right below it changed."""
    made = dict(part)
    for word in _NAMED & part.keys():
        made[word] = {name: change(below) for name, below in part[word].items()}
    for word in _LISTED & part.keys():
        made[word] = [change(below) for below in part[word]]
    if isinstance(part.get("items"), Mapping):
        made["items"] = change(part["items"])
    return made


def _closed(part: Mapping[str, Any]) -> Json:
    """Return a schema whose objects have no properties but those that they name: no others are asked for."""
    made = _changed(part, _closed)
    return made | {"additionalProperties": False} if "properties" in part else made


def _with_nulls(part: Mapping[str, Any]) -> Json:
    """Return a schema that has null for each property that may be left out."""
    made = _changed(part, _with_nulls)
    if "properties" in part:
        required = part.get("required", ())
        below = made["properties"].items()
        made["properties"] = {name: each if name in required else _or_null(each) for name, each in below}
    return made


def _or_null(part: Json) -> Json:
    """Return a part of a schema that may be null, with what that means."""
    means = as_text(part["default"]) if part.get("default") is not None else "left out"
    left = _without(part, "description", "default")
    ways = left["anyOf"] if left.keys() - {"title"} == {"anyOf"} else [left]
    null = [] if {"type": "null"} in ways else [{"type": "null"}]
    return {"anyOf": [*ways, *null], "description": f"{part.get('description', '')} (null: {means})".strip()}


def _without(part: Mapping[str, Any], *words: str) -> Json:
    return {word: value for word, value in part.items() if word not in words}
