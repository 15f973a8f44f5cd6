"""Prompts, shown as they are sent: what each model was asked, and what it answered."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from ..messages import Message
from ..observe.prompted import OnPrompt, Prompted
from .show import hanging

_WIDTH = len("assistant  ")


def prompt_writer(out: Console) -> OnPrompt:
    """Return what writes each prompt and its reply: the role of who said it, and the text beside it."""

    def write(prompted: Prompted) -> None:
        out.print(Text(f"{prompted.state} asked its model", style="bold"))
        for message in prompted.request.messages:
            out.print(_said(out, message.role, _content(message)))
        response = prompted.response
        answer = "(no reply)" if response is None else response.text
        out.print(_said(out, "reply", answer, "bold" if response else "yellow"))
        out.print()

    return write


def _said(out: Console, role: str, text: str, style: str = "") -> Text:
    return hanging(out, f"  {role:<{_WIDTH}}", text, style)


def _content(message: Message) -> str:
    calls = [f"{call.name}({call.arguments})" for call in message.tool_calls]
    return "\n".join([message.content, *calls] if message.content else calls)
