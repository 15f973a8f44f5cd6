"""Prompts, shown as they were sent: what each model was asked, and what it answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import json
from rich.console import Console
from rich.text import Text

from ..messages import Message
from ..observe.prompted import OnPrompt, Prompted
from ..store.prompts import KeptPrompt
from .moments import moment
from .show import hanging, name_of

_WIDTH = len("assistant  ")


def prompt_writer(out: Console) -> OnPrompt:
    """Return what writes each prompt and its reply: the role of who said it, and the text beside it."""

    def write(prompted: Prompted) -> None:
        response = prompted.response
        out.print(Text(f"{prompted.state} asked its model", style="bold"))
        _write(out, prompted.request.messages, None if response is None else response.text)
        out.print()

    return write


def show_prompts(out: Console, kept: Sequence[KeptPrompt]) -> None:
    """Print what is kept of the prompts of a run."""
    out.print()
    if not kept:
        out.print(Text("no prompts are kept: give its runner on_prompt=Recorder(store)", style="dim"))
    for prompt in kept:
        inside = f" in {'.'.join(map(str, prompt.path))}" if prompt.path else ""
        title = f"{prompt.state}{inside} asked {name_of(prompt.model)}"
        when = f"  hop {prompt.visit}, call {prompt.call}, {moment(prompt.at)}"
        out.print(Text(title, style="bold").append(when, style="not bold dim"), soft_wrap=True)
        _write(out, prompt.messages, prompt.reply)
        out.print()


def as_json(kept: Sequence[KeptPrompt]) -> list[Any]:
    """Return what is kept of prompts as JSON."""
    read: list[Any] = json.decode(json.encode(kept))
    return read


def _write(out: Console, messages: Sequence[Message], reply: str | None) -> None:
    for message in messages:
        out.print(_said(out, message.role, _content(message)))
    out.print(_said(out, "reply", "(no reply)" if reply is None else reply, "yellow" if reply is None else "bold"))


def _said(out: Console, role: str, text: str, style: str = "") -> Text:
    return hanging(out, f"  {role:<{_WIDTH}}", text, style)


def _content(message: Message) -> str:
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    return "\n".join([message.content, *calls] if message.content else calls)
