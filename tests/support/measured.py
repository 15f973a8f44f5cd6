"""What `fsm-orch eval` is given, and what it writes."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from fsm_orch.cli import app

SPECIALISTS = """
    from fsm_orch import *

    class Ticket(Context):
        query: str
        answer: str | None = None

    def specialist(topic):
        return State(LLMAgent(f"Answer about {topic}.", reads=(Ticket.query,), writes=(Ticket.answer,)))
"""
"""The beginning of a module of the user's, whose machines route to specialists."""


def figures(cli: CliRunner, *arguments: str) -> Any:
    """Run with --json, and give the object."""
    result = cli.invoke(app, ["eval", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def words(text: str) -> str:
    """Return a text with one space between words, however it is laid out."""
    return " ".join(text.split())
