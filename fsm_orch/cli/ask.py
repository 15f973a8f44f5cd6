"""Ask a human in the terminal: one line for each field of a question's form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_core import from_json, to_json
from rich.console import Console
from rich.text import Text

from ..run.waiting import Question
from .show import CommandError, hanging, safe

Schema = Mapping[str, Any]
_WORDS = {"yes": True, "y": True, "no": False, "n": False}


def answer_to(out: Console, question: Question) -> Any:
    """Ask a question, and return the answer as JSON; nobody has checked yet whether it fits.

    Raises EOFError: if there is nobody to ask.
    """
    out.print()
    out.print(Text(safe(question.text), style="bold").append(f"  ({question.state})", style="not bold dim"))
    width = max(map(len, question.shown), default=0)
    for name, value in question.shown.items():
        out.print(hanging(out, f"  {name:<{width}}  ", value if isinstance(value, str) else to_json(value).decode()))
    fields = question.form.get("properties")
    if fields is None:
        return _one(out, "yes or no" if question.form else "answer", question.form, question.form)
    return {name: _one(out, name, schema, question.form) for name, schema in fields.items()}


def answer_from(question: Question, text: str) -> Any:
    """Return what a text answers, as JSON: the only field of the form, or a JSON object of all; nobody has checked it.

    Raises CommandError: if the form has several fields, and the text is no such object.
    """
    fields: Mapping[str, Schema] | None = question.form.get("properties")
    if fields is None:
        return read(text, question.form, question.form)
    try:
        given = from_json(text, allow_inf_nan=False)
    except ValueError:
        given = None
    if isinstance(given, dict):
        return given
    if len(fields) == 1:
        return {name: read(text, schema, question.form) for name, schema in fields.items()}
    raise CommandError(f"{question.key!r} asks for {', '.join(fields)}: answer by a JSON object of them")


def _one(out: Console, name: str, schema: Schema, form: Schema) -> Any:
    """Ask for the value of one field."""
    if told := schema.get("description"):
        out.print(hanging(out, "    ", str(told), "dim"))
    choices = schema.get("enum")
    shown = f" [{'/'.join(map(str, choices))}]" if choices else ""
    text = out.input(Text(f"  {name}{safe(shown)}: ", style="bold")).strip()
    return read(text, schema, form)


def read(text: str, schema: Schema, form: Schema) -> Any:
    """Return what a line means in a field: a text where it holds texts, else JSON, or yes and no.

    Args:
        form: the whole schema, which the schema may refer to.
    """
    kinds = {member.get("type") for member in _members(schema, form)}
    if not text and "null" in kinds:
        return None
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
    if "anyOf" in schema:
        for member in schema["anyOf"]:
            yield from _members(member, form)
    else:
        yield schema
