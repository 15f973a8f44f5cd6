"""`fsm-orch chat`: a conversation in the terminal. A line starts the next run of a thread, or answers one."""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic_core import to_json
from rich.console import Console
from rich.text import Text

from .. import discover
from ..amounts import Allowance, in_words
from ..define.changes import shown
from ..define.context import Context
from ..define.definition import Definition
from ..define.states import Final
from ..errors import AnswerError, StartError
from ..kernel.records import HandedOff
from ..run.account import ThreadLeft
from ..run.delta import TextDelta
from ..run.first import RunOptions
from ..run.result import RunResult, used_in_words
from ..run.runner import Runner
from ..run.waiting import Question
from ..store.memory import MemoryStore
from . import start
from .answer import LiveAnswer
from .ask import answer_to
from .show import CommandError, complain, complaints, console, hanging, interrupted, safe

_QUIT = "/quit"
_WAITING = Text("…", style="dim")


def chat(
    target: start.Target,
    *,
    fields: Annotated[
        str, typer.Option("--context", metavar="JSON", help="Other fields of each first context, as a JSON object.")
    ] = "{}",
    model: start.ModelName = None,
) -> None:
    """Talk with a machine, line by line, until /quit or the end of the input.

    A line is the value of the context's only required str field, and starts the next run of one thread: it has the
    messages of the run before it, and the fields marked Given. Where a run waits for a human, the line is the answer:
    the value of the only text in the question's form, with the first handoff that is open. Forms of other fields are
    asked field by field.

    Exit codes: 0 the conversation was ended, or its thread is used up; 2 it could not start; 130 it was interrupted.
    """
    with complaints():
        machine = discover.machine(target, Path.cwd())
        runner = Runner[Any, Any](machine, model=start.model_of(machine, model), store=MemoryStore())
        if isinstance(sys.stdin, io.TextIOWrapper):
            # A byte that is no character must not end a conversation that has been paid for.
            sys.stdin.reconfigure(errors="replace")
        out = console()
        out.print(Text(machine.definition.name, style="bold").append(f"  {safe(machine.definition.doc)}", "dim"))
        out.print(Text(f"{_QUIT} ends it", style="dim"))
        with start.dependencies(machine) as deps, interrupted("the conversation is over"):
            _Chat(out, runner, deps, fields).talk()


class _Chat:
    """One conversation.

    Args:
        fields: of each first context, as a JSON object.
    """

    def __init__(self, out: Console, runner: Runner[Any, Any], deps: Any, fields: str) -> None:
        self._out, self._runner, self._deps, self._fields = out, runner, deps, fields
        self._thread = secrets.token_hex(4)
        self._last: RunResult[Any] | None = None

    def talk(self) -> None:
        """Take lines until there are no more, or nothing more can be paid."""
        with suppress(EOFError):  # the end of the input, be it in the middle of a form
            while not self._is_used_up():
                line = self._out.input(Text("\n> ", style="bold")).strip()
                if line == _QUIT:
                    return
                if line:
                    self._say(line)

    def _say(self, line: str) -> None:
        waiting = self._last.waiting if self._last is not None else ()
        told = len(self._last.records) if self._last is not None and waiting else 0
        try:
            result = self._answered(waiting[0], line) if waiting else self._begun(line)
        except AnswerError as error:
            complain(str(error))
            assert self._last is not None
            result = asyncio.run(self._runner.expire(self._last.run_id, deps=self._deps))  # if it came too late
            if result.waiting:
                return
        except (CommandError, StartError) as error:
            complain(str(error))
            return
        self._last = result
        self._show(result, told)

    def _begun(self, line: str) -> RunResult[Any]:
        """Run the next run of the thread."""
        context = start.context(self._runner.definition.context, line, self._fields)
        options: RunOptions = {"thread_id": self._thread}
        if self._last is not None:
            options["after"] = self._last
        if self._out.is_terminal:
            return asyncio.run(self._streamed(context, options))
        return asyncio.run(self._runner.run(context, deps=self._deps, **options))

    async def _streamed(self, context: Context, options: RunOptions) -> RunResult[Any]:
        """Run, and show the answer while it is written."""
        answer = LiveAnswer(self._out)
        async with self._runner.stream(context, deps=self._deps, **options) as events:
            with self._out.status(_WAITING) as status:
                async for event in events:
                    if isinstance(event, TextDelta):
                        status.update(answer.add(event))
                    elif answer.is_ended_by(event):
                        status.update(_WAITING)
                        if withdrawn := answer.end(event):
                            self._out.print(hanging(self._out, "", withdrawn, "dim strike"))
            return await events.result()

    def _answered(self, question: Question, line: str) -> RunResult[Any]:
        """Go on with the run that waits."""
        assert self._last is not None
        run_id, answer = self._last.run_id, _answer(question, line)
        if answer is None:
            answer = answer_to(self._out, question)
        with self._out.status(_WAITING) if self._out.is_terminal else nullcontext():
            return asyncio.run(self._runner.resume(run_id, answer, question=question, deps=self._deps))

    def _show(self, result: RunResult[Any], told: int) -> None:
        """Write what was said, where the run stands, and what is left.

        Args:
            told: how many of its records were there before this line.
        """
        question = result.waiting[0] if result.waiting else None
        said = _said(result, self._runner.definition, told) if question is None else question.shown
        width = max(map(len, said), default=0)
        for name, value in said.items():
            label = f"{name:<{width}}  " if len(said) > 1 else ""
            self._out.print(hanging(self._out, label, value if isinstance(value, str) else to_json(value).decode()))
        if question is not None:
            self._out.print(Text(safe(question.text), style="bold"))
        self._out.print(Text(f"{_place(result)}; {self._left(result)}", style="dim"))

    def _left(self, result: RunResult[Any]) -> str:
        if result.waiting:
            return f"{result.records[-1].stamp.remaining:,} tokens left of this run"
        left = asyncio.run(self._runner.thread_left(self._thread))
        if left == ThreadLeft(None, None):
            return used_in_words(result)
        return f"{_in_words(left)} left of this thread"

    def _is_used_up(self) -> bool:
        """Return whether the thread cannot pay the first call of another run, and say so."""
        if self._last is not None and self._last.waiting:
            return False
        left, compiled = asyncio.run(self._runner.thread_left(self._thread)), self._runner.compiled
        needed, limits = compiled.states[compiled.definition.initial.name].grant, compiled.limits
        lacks_tokens = left.tokens is not None and left.tokens < needed.tokens
        lacks_money = left.cost_usd is not None and left.cost_usd * 1_000_000 < needed.cost
        if lacks_tokens or lacks_money:
            self._out.print(
                Text(
                    f"This thread is used up: {_in_words(left)} left, and the first call of a run may take "
                    f"{in_words(needed, Allowance(needed.tokens, limits.thread_cost_micros))}. Start another chat",
                    style="bold yellow",
                )
            )
        return lacks_tokens or lacks_money


def _answer(question: Question, line: str) -> Any:
    """Return the answer that a line makes; None if its form asks for more than one text and a handoff."""
    properties: Mapping[str, Any] = question.form.get("properties", {})
    texts = [name for name in properties if name != "handoff"]
    if question.tool is not None or len(texts) != 1 or properties[texts[0]].get("type") != "string":
        return None
    handoff = {"handoff": properties["handoff"]["enum"][0]} if "handoff" in properties else {}
    return {texts[0]: line, **handoff}


def _said(result: RunResult[Any], definition: Definition, told: int) -> dict[str, Any]:
    """Return what was written since: the texts, or all of it if there are none; what humans wrote they know."""
    names: dict[str, None] = {}
    for record in result.records[told:]:
        if (
            isinstance(record, HandedOff)
            and not record.stamp.path
            and not definition.states[record.source].spec.asks_human
        ):
            names |= dict.fromkeys(record.written)
    if isinstance(result.state, Final):
        names |= dict.fromkeys(ref.name for ref in result.state.sets)
    held = shown(result.context)
    written = {name: held[name] for name in names if held[name] is not None}
    return {name: value for name, value in written.items() if isinstance(value, str)} or written


def _place(result: RunResult[Any]) -> str:
    if result.landing is not None:
        return f"landed in {result.state.name} ({result.landing.reason})"
    return f"waits in {result.state.name}" if result.waiting else f"ended in {result.state.name}"


def _in_words(left: ThreadLeft) -> str:
    tokens = [] if left.tokens is None else [f"{left.tokens:,} tokens"]
    return " and ".join([*tokens, *([] if left.cost_usd is None else [f"${left.cost_usd:f}"])])
