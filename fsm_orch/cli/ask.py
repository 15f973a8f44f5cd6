"""Ask a human in the terminal: one line for each field of a question's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from pydantic_core import from_json, to_json
from rich.console import Console
from rich.text import Text

from ..run.waiting import Question
from .show import CommandError, complain, hanging, safe

Schema = Mapping[str, Any]
_WORDS = {"yes": True, "y": True, "no": False, "n": False}
_KINDS: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "boolean": ("yes or no", (bool,)),
    "integer": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "string": ("a text", (str,)),
    "null": ("nothing", (type(None),)),
    "array": ("a JSON list", (list, dict)),  # objects may stand for lists: who reads the answer knows
    "object": ("a JSON object", (list, dict)),
}
"""By type of JSON: what a line of it is called, and what it is read as."""


def answer_to(out: Console, question: Question) -> Any:
    """Ask a question, and return the answer as JSON. A line is asked for again until it is of its field's kind.

    Nobody has checked yet whether the whole fits: a limit or a validator may still refuse it.

    Raises EOFError: if there is nobody to ask.
    """
    out.print()
    out.print(Text(safe(question.text), style="bold").append(f"  ({question.state})", style="not bold dim"))
    width = max(map(len, question.shown), default=0)
    for name, value in question.shown.items():
        out.print(hanging(out, f"  {name:<{width}}  ", value if isinstance(value, str) else to_json(value).decode()))
    fields = question.form.get("properties")
    if fields is None:
        return _one(out, "yes or no" if question.form else "answer", question.form, question.form, of=question.text)
    return {name: _one(out, name, schema, question.form) for name, schema in fields.items()}


def answer_from(question: Question, text: str) -> Any:
    """Return what a text answers, as JSON: the only field of the form, or a JSON object of all; nobody has checked it.

    Raises CommandError: if the form has several fields, and the text is no such object, or it is not of the kind that
        the only field takes.
    """
    fields: Mapping[str, Schema] | None = question.form.get("properties")
    if fields is None:
        return _fitting(question.text, text, question.form, question.form)
    try:
        given = from_json(_in_utf8(question.key, text), allow_inf_nan=False)
    except ValueError:
        given = None
    if isinstance(given, dict):
        return given
    if len(fields) == 1:
        return {name: _fitting(name, text, schema, question.form) for name, schema in fields.items()}
    raise CommandError(f"{question.key!r} asks for {', '.join(fields)}: answer by a JSON object of them")


def _one(out: Console, name: str, schema: Schema, form: Schema, *, of: str | None = None) -> Any:
    """Ask for the value of one field, until it is of its kind.

    Args:
        of: what a message about it names; None: the field.
    """
    if told := schema.get("description"):
        out.print(hanging(out, "    ", str(told), "dim"))
    choices = schema.get("enum")
    shown = f" [{'/'.join(map(_written, choices))}]" if choices else ""
    while True:
        try:
            text = out.input(Text(f"  {name}{safe(shown)}: ", style="bold")).strip()
        except EOFError:
            out.print()  # what is shown next begins a line of its own
            raise
        try:
            return _fitting(of or name, text, schema, form)
        except CommandError as error:
            complain(str(error))


def _fitting(name: str, text: str, schema: Schema, form: Schema) -> Any:
    """Return what a line means in a field.

    Raises CommandError: if it is not of the field's kind, or none of its choices.
    """
    value, members = read(_in_utf8(name, text), schema, form), [*_members(schema, form)]
    if any(_fits(value, member) for member in members):
        return value
    raise CommandError(f"{name} is answered by {' or '.join(dict.fromkeys(map(_named, members)))}")


def _in_utf8(name: str, text: str) -> str:
    """Return a text.

    Raises CommandError: if a terminal or a shell gave bytes that are none: no journal could hold them.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise CommandError(f"{name} is answered by a text in UTF-8, and this one holds other bytes")
    return text


def _fits(value: Any, member: Schema) -> bool:
    choices = _choices(member)
    if choices is not None:
        return any(value == choice and type(value) is type(choice) for choice in choices)  # True is not 1
    kind = str(member.get("type"))
    if isinstance(value, float) and not isfinite(value):
        return False  # 1e400: no JSON holds what it is read as
    return kind not in _KINDS or (
        isinstance(value, _KINDS[kind][1]) and (kind == "boolean" or not isinstance(value, bool))
    )


def _named(member: Schema) -> str:
    choices = _choices(member)
    return _KINDS[member["type"]][0] if choices is None else " or ".join(map(_written, choices))


def _written(choice: Any) -> str:
    """Return a choice as it is shown and typed: a text as it is, else as JSON."""
    return choice if isinstance(choice, str) else to_json(choice).decode()


def _choices(member: Schema) -> Sequence[Any] | None:
    return [member["const"]] if "const" in member else member.get("enum")


def read(text: str, schema: Schema, form: Schema) -> Any:
    """Return what a line means in a field: a text where it holds texts, else JSON, or yes and no.

    Args:
        form: the whole schema, which the schema may refer to.
    """
    members = [*_members(schema, form)]
    # a Literal of several kinds has no type, so its choices are known by how they are shown
    choices = {_written(choice): choice for member in members for choice in _choices(member) or ()}
    kinds = {member.get("type") for member in members}
    if not text and ("null" in kinds or None in choices.values()):
        return None
    if text in choices:
        return choices[text]
    if "boolean" in kinds and text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if "string" in kinds or not kinds - {None}:
        return text
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        return text  # which does not fit, and whoever checks it says why


def _members(schema: Schema, form: Schema) -> Iterable[Schema]:
    """Yield what a schema is one of; itself, if it is no choice."""
    if "$ref" in schema:
        schema = form.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
    if several := schema.get("anyOf") or schema.get("oneOf"):
        for member in several:
            yield from _members(member, form)
    elif isinstance(kinds := schema.get("type"), list):
        yield from ({**schema, "type": kind} for kind in kinds)
    else:
        yield schema
