"""How to answer what a run waits for, where nobody was at the terminal to be asked: the command, and what it takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..run.waiting import Question
from .show import name_of


def how_to_answer(run_id: str, target: str, waiting: Sequence[Question], at: str | None) -> Iterator[str]:
    """Yield lines that say how what a run waits for is answered.

    Args:
        waiting: what it waits for; not empty.
        at: the options that name the store that keeps it, as they are shown; None: it is gone with its process.
    """
    if at is None:
        yield (
            "It is gone now. To answer it here, be at the terminal, or give a line for each field on stdin; to answer "
            f"it later, have it kept: fsm-orch run {shlex.quote(target)} ... --store sqlite:///runs.db"
        )
        return
    for question in waiting:
        which = f" --question {shlex.quote(question.key)}" if len(waiting) > 1 else ""
        command = f"fsm-orch runs answer {shlex.quote(run_id)} {shlex.quote(target)} ANSWER {at}{which}"
        yield name_of(f"To answer it at any time: {command} (ANSWER: {_answer_of(question.form)})")


def _answer_of(form: Mapping[str, Any]) -> str:
    fields: Mapping[str, Mapping[str, Any]] | None = form.get("properties")
    if fields is None:
        return "yes or no" if form else "any text"
    names = [name + _choices(schema) for name, schema in fields.items()]
    return f"the value of {names[0]}" if len(names) == 1 else f"a JSON object of {', '.join(names)}"


def _choices(schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum")
    return f" ({' or '.join(map(str, choices))})" if choices else ""
