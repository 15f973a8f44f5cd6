"""Decisions: the JSON object in which a model chooses a handoff and writes fields.

`form` returns the schema for a set of legal handoffs, and the reader for what comes back. Reading is strict: every text
that is not exactly one decision is refused, with a reason of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ..define.changes import describe, describe_item
from ..define.context import Context
from ..kernel.reasons import Refusal

_KEPT = frozenset({"type", "properties", "required", "items", "enum", "anyOf", "$ref", "$defs", "description"})
"""Schema keywords that every provider's strict mode accepts; the rest is checked here, by pydantic.

Keep in sync with `fsm_orch.models.local`, which knows that its grammar obeys them.
"""


class Decision(Struct, frozen=True):
    """What a model decided."""

    handoff: str | None
    """The name of the handoff; None if the model was not asked for one."""
    changes: Mapping[str, Any]
    """Values by field name."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a model fills in.

    Args:
        schema: a JSON schema in the dialect that all providers accept; None if there is nothing to decide, and
            the reply is free text.
        declared: every handoff that the state declares; empty if the model is not asked for one.
        legal: those of them that are on the menu.
        reader: validates a reply in JSON's strict mode.
    """

    schema: Mapping[str, Any] | None
    declared: tuple[str, ...]
    legal: tuple[str, ...]
    reader: type[BaseModel]

    def read(self, text: str, *, is_truncated: bool) -> Decision | Refusal:
        """Read a reply, and return the decision or why it is refused.

        Args:
            text: the reply as the model wrote it.
            is_truncated: the model stopped at its cap.
        """
        if is_truncated:
            return Refusal("truncated", "The reply was cut off at its cap. Reply more briefly.")
        if self.schema is None:
            return Decision(None, {})
        refusal = _not_one_object(text)
        if refusal is not None:
            return refusal
        try:
            reply = self.reader.model_validate_json(text.strip(), strict=True)
        except ValidationError as error:
            return _misfit(error)
        changes = {name: getattr(reply, name) for name in self.reader.model_fields}
        # A handoff that is declared but not on the menu is a decision too. The kernel judges it, and has the better
        # reason: what is legal may have changed since the menu was drawn.
        handoff = changes.pop("handoff", None)
        if handoff is None or handoff in self.declared:
            return Decision(handoff, changes)
        return Refusal("unknown_handoff", f"{handoff[:64]!r} does not exist. Choose one of: {', '.join(self.legal)}.")


def form(context: type[Context], written: tuple[str, ...], declared: tuple[str, ...], legal: tuple[str, ...]) -> Form:
    """Build the form for an agent that writes fields and may choose among legal handoffs.

    It takes about 1 ms, in which pydantic makes a model and its schema: whoever asks often keeps it.

    Args:
        written: names of the fields it writes, in declaration order.
        declared: names of the handoffs it may ever choose; empty if there is no choice.
        legal: names of those it may choose now.
    """
    # a text, not a Literal of the menu: the reader must also read a handoff that is declared and not legal now
    fields: dict[str, Any] = {"handoff": (str, ...)} if declared else {}
    for name in written:
        info = context.__pydantic_fields__[name]
        fields[name] = (info.rebuild_annotation(), Field(description=info.description))
    reader = create_model("Decision", __config__=ConfigDict(extra="forbid"), **fields)
    return Form(_strict_schema(reader, legal) if fields else None, declared, legal, reader)


def _strict_schema(reader: type[BaseModel], legal: tuple[str, ...]) -> dict[str, Any]:
    schema: dict[str, Any] = _in_dialect(reader.model_json_schema())
    if "handoff" in schema["properties"]:
        # by hand: pydantic writes one name as `const`, which not every strict mode accepts
        schema["properties"]["handoff"] = {"type": "string", "enum": list(legal)}
    return schema


def _in_dialect(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Rewrite a schema into the dialect all providers accept: every property required, no constraints."""
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    if "const" in schema:
        kept["enum"] = [schema["const"]]
    if "oneOf" in schema:
        kept["anyOf"] = schema["oneOf"]
    for key in ("properties", "$defs"):
        if key in kept:
            kept[key] = {name: _in_dialect(part) for name, part in kept[key].items()}
    if "anyOf" in kept:
        kept["anyOf"] = [_in_dialect(part) for part in kept["anyOf"]]
    if "prefixItems" in schema:
        kept["items"] = {"anyOf": schema["prefixItems"]}
    if "items" in kept:
        kept["items"] = _in_dialect(kept["items"])
    if kept.get("type") == "object":
        kept["required"] = list(kept.get("properties", {}))
        kept["additionalProperties"] = False
    return kept


class _DuplicateKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise _DuplicateKey
    return keys


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Python's decoder, beside pydantic's: of two equal keys pydantic keeps the last one and says nothing
_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _not_one_object(text: str) -> Refusal | None:
    """Return why a text is not exactly one JSON object without duplicate keys; None if it is."""
    text = text.strip()
    try:
        value, end = _DECODER.raw_decode(text)
    except _DuplicateKey:
        return Refusal("duplicate_key", "The reply had a key twice. Reply with one JSON object, each key once.")
    except (ValueError, RecursionError):
        if text.startswith("{") and not text.endswith("}"):
            return Refusal("truncated", "The reply was an unfinished JSON object. Reply more briefly.")
        return Refusal("not_json", "The reply was not JSON. Reply with one JSON object and nothing else.")
    if not isinstance(value, dict):
        return Refusal("wrong_type", "The reply was not a JSON object. Reply with one JSON object.")
    return _rest(text[end:].strip())


def _rest(rest: str) -> Refusal | None:
    if not rest:
        return None
    try:
        second, _ = _DECODER.raw_decode(rest)
    except (ValueError, RecursionError, _DuplicateKey):
        second = None
    if isinstance(second, dict):
        return Refusal("two_decisions", "The reply held two decisions. Reply with exactly one JSON object.")
    return Refusal("trailing_text", "The reply went on after its JSON object. Reply with the object alone.")


def _misfit(error: ValidationError) -> Refusal:
    items = error.errors(include_input=False, include_url=False, include_context=False)
    kinds = {item["type"] for item in items}
    if "json_invalid" in kinds:
        return Refusal("not_json", "The reply was not JSON. Reply with one JSON object and nothing else.")
    if "missing" in kinds:
        missing = "; ".join(describe_item(item) for item in items if item["type"] == "missing")
        return Refusal("missing_field", f"The reply did not fit: {missing}.")
    if "extra_forbidden" in kinds:
        return Refusal("unknown_field", "The reply had keys that were not asked for.")
    return Refusal("wrong_type", f"The reply did not fit: {describe(error, told=True)}.")
