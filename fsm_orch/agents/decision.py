"""Decisions: the JSON object in which a model chooses a handoff and writes fields.

`form` returns the schema for a set of legal handoffs, and the reader for what comes back. Reading is strict: every text
that is not exactly one decision is refused, with a reason of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ..define.changes import broken, describe, describe_item, misfits
from ..define.context import Context
from ..define.states import NONE_OF_THESE
from ..define.strict import Said, said, with_places
from ..kernel.reasons import Refusal
from ..models.unchangeable import unchangeable

MEANS_NONE = "none of these fits"
"""What whoever chooses is told of the way to decline."""


class Decision(Struct, frozen=True):
    """What a model decided."""

    handoff: str | None
    """The name of the handoff; None if the model was not asked for one."""
    changes: Mapping[str, Any]
    """Values by field name."""
    text: str | None = None
    """What it says where there is nothing to decide, and the reply has a form nevertheless."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form that a model fills in.

    Args:
        schema: a JSON schema in the dialect that all providers accept; None if there is nothing to decide, and
            the reply is free text.
        declared: every handoff that the state declares; empty if the model is not asked for one.
        legal: those of them that are on the menu, `none_of_these` too where it is.
        reader: validates a reply in JSON's strict mode.
        has_places: whether it asks for a tuple, whose places come as the keys of an object.
        place: the keys that lead to the decision inside the object.
    """

    schema: Mapping[str, Any] | None
    declared: tuple[str, ...]
    legal: tuple[str, ...]
    reader: type[BaseModel]
    has_places: bool = False
    place: tuple[str, ...] = ()

    def read(self, text: str, *, is_truncated: bool) -> Decision | Refusal:
        """Read a reply, and return the decision or why it is refused.

        Args:
            text: the reply as the model wrote it.
            is_truncated: the model stopped at its cap. A decision that is whole nevertheless is one.
        """
        if self.schema is None:
            return _CUT_OFF if is_truncated else Decision(None, {})
        read = one_object(text, is_truncated=is_truncated, has_places=self.has_places)
        return read if isinstance(read, Refusal) else self.filled(read, None if self.has_places else text.strip())

    def filled(self, read: dict[str, Any], text: str | None = None) -> Decision | Refusal:
        """Return the decision that an object is, or why it is refused.

        Args:
            text: the object as the model wrote it, where nothing in it was put otherwise.
        """
        if self.declared and read.get("handoff") == NONE_OF_THESE:
            return Decision(NONE_OF_THESE, {})  # whatever else it says: nothing is written without a handoff
        try:
            reply = self.reader.model_validate_json(json.dumps(read) if text is None else text, strict=True)
        except ValidationError as error:
            is_around = read.keys() == {"reply"} and "reply" not in self.reader.__pydantic_fields__
            return _AROUND if is_around else _misfit(error)
        except UnicodeEncodeError as error:
            return Refusal("wrong_type", f"The reply did not fit: {broken(error, told=True)}.")
        except RecursionError:  # Python reads a little deeper than it writes
            return _NOT_JSON
        changes = vars(reply).copy()
        # A handoff that is declared but not on the menu is a decision too. The kernel judges it, and has the better
        # reason: what is legal may have changed since the menu was drawn.
        handoff = changes.pop("handoff", None)
        if handoff is None or handoff in self.declared:
            return Decision(handoff, changes)
        return Refusal("unknown_handoff", f"{handoff[:64]!r} does not exist. Choose one of: {', '.join(self.legal)}.")


_NOT_JSON = Refusal("not_json", "The reply was not JSON. Reply with one JSON object and nothing else.")
# the form of a request that offers tools, in one that offers none
_AROUND = Refusal(
    "missing_field",
    'The reply did not fit: no tool can be used here, so reply with the decision alone, and no "reply" around it.',
)
_CUT_OFF = Refusal("truncated", "The reply was cut off at its cap. Reply more briefly.")


def form(
    context: type[Context],
    written: tuple[str, ...],
    declared: tuple[str, ...],
    legal: tuple[str, ...],
    *,
    may_decline: bool = False,
) -> Form:
    """Build the form for an agent that writes fields and may choose among legal handoffs.

    It takes about 1 ms, in which pydantic makes a model and its schema: whoever asks often keeps it.

    Args:
        written: names of the fields it writes, in declaration order.
        declared: names of the handoffs it may ever choose; empty if there is no choice.
        legal: names of those it may choose now.
        may_decline: whether it is offered to choose none of them.
    """
    legal = (*legal, NONE_OF_THESE) if may_decline else legal
    # a text, not a Literal of the menu: the reader must also read a handoff that is declared and not legal now
    fields: dict[str, Any] = {"handoff": (str, ...)} if declared else {}
    for name in written:
        info = context.__pydantic_fields__[name]
        fields[name] = (info.rebuild_annotation(), Field(description=info.description))
    reader = create_model("Decision", __config__=ConfigDict(extra="forbid"), **fields)
    if not fields:
        return Form(None, declared, legal, reader)
    asked = said(reader)
    return Form(_schema(asked, legal), declared, legal, reader, asked.has_places)


def _schema(asked: Said, legal: tuple[str, ...]) -> Mapping[str, Any]:
    """Return the schema with the menu, and so that no adapter can change it for others."""
    schema = asked.schema
    if "handoff" in schema["properties"]:
        # by hand: the reader takes every text, so that the kernel judges one that is not on the menu
        schema["properties"]["handoff"] = {"type": "string", "enum": list(legal)}
    fixed: Mapping[str, Any] = unchangeable(schema)
    return fixed


class _DuplicateKey(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise _DuplicateKey
    return keys


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Python's decoders, beside pydantic's: of two equal keys pydantic keeps the last one and says nothing
_PLAIN = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_PLACED = json.JSONDecoder(object_pairs_hook=lambda pairs: with_places(_unique(pairs)), parse_constant=_no_constant)


def one_object(text: str, *, is_truncated: bool, has_places: bool) -> dict[str, Any] | Refusal:
    """Return the one JSON object without duplicate keys that a text is, or why it is none.

    Args:
        has_places: whether objects with the keys "1", "2" and so on stand for lists.
    """
    read = _one_object(text.strip(), _PLACED if has_places else _PLAIN)
    is_cut = is_truncated and isinstance(read, Refusal) and read.reason in ("not_json", "truncated")
    return _CUT_OFF if is_cut else read


def _one_object(text: str, decoder: json.JSONDecoder) -> dict[str, Any] | Refusal:
    if not text:
        return Refusal("not_json", "The reply was empty. Reply with one JSON object and nothing else.")
    try:
        value, end = decoder.raw_decode(text)
    except _DuplicateKey:
        return Refusal("duplicate_key", "The reply had a key twice. Reply with one JSON object, each key once.")
    except (ValueError, RecursionError):
        if text.startswith("{") and not text.endswith("}"):
            return Refusal("truncated", "The reply was an unfinished JSON object. Reply more briefly.")
        return _NOT_JSON
    if not isinstance(value, dict):
        return Refusal("wrong_type", "The reply was not a JSON object. Reply with one JSON object.")
    return value if end == len(text) else _rest(text[end:].strip())


def _rest(rest: str) -> Refusal:
    with suppress(ValueError, RecursionError, _DuplicateKey):
        if isinstance(_PLAIN.raw_decode(rest)[0], dict):
            return Refusal("two_decisions", "The reply held two decisions. Reply with exactly one JSON object.")
    return Refusal("trailing_text", "The reply went on after its JSON object. Reply with the object alone.")


def _misfit(error: ValidationError) -> Refusal:
    items = misfits(error)
    kinds = {item["type"] for item in items}
    if "json_invalid" in kinds:
        return _NOT_JSON
    if "missing" in kinds:
        missing = "; ".join(describe_item(item) for item in items if item["type"] == "missing")
        return Refusal("missing_field", f"The reply did not fit: {missing}.")
    if "extra_forbidden" in kinds:
        return Refusal("unknown_field", "The reply had keys that were not asked for.")
    return Refusal("wrong_type", f"The reply did not fit: {describe(error, told=True)}.")
