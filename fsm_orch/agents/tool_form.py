"""The form of a request that offers tools: one object, whose reply is either tools to be used or a decision.

    {"reply": {"use": {"tool": "order_status", "arguments": {"order": 4711}}}}
    {"reply": {"use_all": [{"tool": "order_status", "arguments": {"order": 4711}}, ...]}}
    {"reply": {"handoff": "done", "answer": "It is on its way."}}

`use_all`, whose tools run at once, is offered while more than one may be used. It is no list of one or more for all:
small models, held to a list, go on with it until they are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from ..define.changes import broken, describe
from ..define.parts import USE, USE_ALL
from ..define.signature import Misfit
from ..define.strict import Json, closed
from ..kernel.reasons import Refusal
from ..kernel.requests import Request
from ..models.unchangeable import unchangeable
from .decision import Decision, Form, one_object
from .tool import Tool


class Offered(NamedTuple):
    """A tool that a request offers."""

    tool: Tool
    choices: tuple[tuple[str, str], ...] = ()
    """By parameter, what it may be: a list of JSON. As text, in which True is not 1."""

    def chosen_from(self) -> dict[str, list[Any]]:
        """Return by parameter what it may be, as JSON."""
        return {name: from_json(text) for name, text in self.choices}

    def schema(self) -> Json:
        """Return the schema of the tool's arguments."""
        schema = self.tool.arguments.schema
        limited = {name: {**schema["properties"][name], "enum": v} for name, v in self.chosen_from().items()}
        return {**schema, "properties": {**schema["properties"], **limited}}


@dataclass(frozen=True, slots=True)
class ToolForm:
    """The form that a model fills in which may use tools.

    Args:
        schema: of the whole reply, in the dialect that all providers accept.
        offered: by name, the tools that it may use.
        decision: the form of a decision; None: it is too early for one.
    """

    schema: Mapping[str, Any]
    offered: Mapping[str, Offered]
    decision: Form | None
    place: ClassVar[tuple[str, ...]] = ("reply",)
    """The keys that lead to the decision inside the object."""

    def read(self, text: str, *, is_truncated: bool) -> Decision | tuple[Request, ...] | Refusal:
        """Read a reply, and return the decision, what is asked for, or why it is refused.

        Args:
            text: the reply as the model wrote it.
            is_truncated: the model stopped at its cap.
        """
        read = one_object(text, is_truncated=is_truncated, has_places=self._has_places)
        if isinstance(read, Refusal):
            return read
        reply = read.get("reply")
        if not isinstance(reply, dict):
            return Refusal("missing_field", 'The reply did not fit: put it under one key, {"reply": {...}}.')
        uses = reply.keys() & {USE, USE_ALL}
        if read.keys() != {"reply"} or (uses and len(reply) > 1):
            return Refusal("unknown_field", "The reply had keys that were not asked for.")
        if uses:
            return self._used([reply[USE]] if USE in reply else reply[USE_ALL])
        if self.decision is None:
            return Refusal("must_ask", f"It is too early to decide: first use {' or '.join(self.offered)}.")
        return _said(reply) if self.decision.schema is None else self.decision.filled(reply)

    @property
    def _has_places(self) -> bool:
        is_placed = self.decision is not None and self.decision.has_places
        return is_placed or any(each.tool.arguments.has_places for each in self.offered.values())

    def _used(self, uses: Any) -> tuple[Request, ...] | Refusal:
        requests = list[Request]()
        for use in uses if isinstance(uses, list) else ():
            request = self._request(use)
            if isinstance(request, Refusal):
                return request
            requests.append(request)
        return tuple(requests)

    def _request(self, use: Any) -> Request | Refusal:
        if not isinstance(use, dict) or use.keys() != {"tool", "arguments"}:
            return Refusal("wrong_type", 'The reply did not fit: a use is {"tool": ..., "arguments": {...}}.')
        name, given = use["tool"], use["arguments"]
        offered = self.offered.get(name) if isinstance(name, str) else None
        if offered is None:
            # cut to the length of a real name: this is quoted in the next prompt
            return Refusal("undeclared_ask", f"No tool is named {str(name)[:64]!r}. Use {' or '.join(self.offered)}.")
        try:
            arguments = offered.tool.arguments.read(given)
        except ValidationError as error:
            return Refusal("wrong_type", f"The arguments of {name} did not fit: {describe(error, told=True)}.")
        except Misfit as error:
            return Refusal("wrong_type", f"The arguments of {name} did not fit: {error}.")
        except UnicodeEncodeError as error:
            return Refusal("wrong_type", f"The arguments of {name} did not fit: {broken(error, told=True)}.")
        except (ValueError, RecursionError):  # such as half of a surrogate pair, which JSON can spell
            return Refusal("wrong_type", f"The arguments of {name} cannot be written as JSON.")
        for parameter, values in offered.chosen_from().items():
            if not any(_is_same(value, arguments[parameter]) for value in values):
                told = ", ".join(map(repr, values))
                return Refusal("wrong_type", f"The arguments of {name} did not fit: {parameter} is one of {told}.")
        return offered.tool.request(arguments)


def _is_same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _said(reply: Mapping[str, Any]) -> Decision | Refusal:
    text = reply.get("text")
    if reply.keys() != {"text"} or not isinstance(text, str) or not text.strip():
        return Refusal("wrong_type", 'The reply did not fit: say what you have to say, {"text": "..."}.')
    return Decision(None, {}, text)


def tool_form(offered: tuple[Offered, ...], decision: Form | None, *, is_list: bool) -> ToolForm:
    """Build the form of a request that offers tools.

    Args:
        decision: the form of a decision; None: it is too early for one.
        is_list: whether several may be used at once.
    """
    parts: Json = {}
    use = _one_of([_use(each, parts) for each in offered])
    if is_list:  # said once: a schema is part of what a request costs
        parts[_USE], use = use, {"$ref": f"#/$defs/{_USE}"}
    ways = [closed({USE: use})]
    if is_list:
        ways.append(closed({USE_ALL: {"type": "array", "items": use}}))
    if decision is not None:
        ways.append(_decision(decision, parts))
    schema = closed({"reply": _one_of(ways)}) | ({"$defs": parts} if parts else {})
    return ToolForm(unchangeable(schema) or {}, {each.tool.name: each for each in offered}, decision)


_USE = "-use"
"""A name that no class has, nor what is renamed after a tool."""


def _use(offered: Offered, parts: Json) -> Json:
    name = offered.tool.name
    arguments = _renamed(offered.schema(), f"{name}-")  # two tools may each have a class of that name
    parts |= arguments.pop("$defs", {})
    return closed({"tool": {"type": "string", "enum": [name]}, "arguments": arguments})


def _decision(decision: Form, parts: Json) -> Json:
    if decision.schema is None:
        return closed({"text": {"type": "string"}})
    schema = dict(decision.schema)
    parts |= schema.pop("$defs", {})
    return schema


def _renamed(part: Any, prefix: str) -> Any:
    """Return a part of a schema whose references, and what they refer to, bear a prefix."""
    if isinstance(part, list):
        return [_renamed(each, prefix) for each in part]
    if not isinstance(part, Mapping):
        return part
    if isinstance(part.get("$ref"), str):
        return {"$ref": part["$ref"].replace("#/$defs/", f"#/$defs/{prefix}", 1)}
    made = {word: _renamed(value, prefix) for word, value in part.items()}
    if "$defs" in made:
        made["$defs"] = {f"{prefix}{name}": value for name, value in made["$defs"].items()}
    return made


def _one_of(ways: list[Json]) -> Json:
    return ways[0] if len(ways) == 1 else {"anyOf": ways}
