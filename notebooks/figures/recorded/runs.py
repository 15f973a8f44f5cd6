"""Runs of agents that failed, as they were recorded.

The runs are those of Who&When (Zhang et al., "Which Agent Causes Task Failures and When?", ICML 2025; MIT,
github.com/mingyin1/Agents_Failure_Attribution): Magentic-One and CaptainAgent on real tasks, with the message of each
run in which a person found the decisive mistake. They are read from a file of which each line is a run:

    {"id": "...", "mistake_agent": "...", "mistake_step": "4", "steps": [
        {"agent": "Orchestrator (thought)", "tokens": 214, "ledger": {"in_loop": false, "progress": true}}, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

QUESTION = "human"
"""Who asks: the question is a message, and no agent's visit."""


@dataclass(frozen=True)
class Message:
    """A message of a recorded run."""

    agent: str
    tokens: int
    """Its own length, by o200k. What was sent to a model to get it, its history above all, was not recorded."""
    is_stalled: bool | None
    """Whether the orchestrator noted here that it was in a loop, or made no progress; None: it took no note."""


@dataclass(frozen=True)
class Visit:
    """Messages of one agent in a row."""

    agent: str
    first: int
    """The number of its first message in the run, from 0."""
    tokens: int


@dataclass(frozen=True)
class Recorded:
    """A run as it was recorded; it failed."""

    name: str
    messages: tuple[Message, ...]
    mistake: int
    """The number of the message with the decisive mistake, from 0."""
    culprit: str
    """The agent that made the mistake."""

    @cached_property
    def visits(self) -> tuple[Visit, ...]:
        """The visits of agents, in order: an agent that speaks twice in a row is visited once."""
        visits: list[Visit] = []
        for number, message in enumerate(self.messages):
            if message.agent == QUESTION:
                continue
            if visits and visits[-1].agent == message.agent:
                last = visits.pop()
                visits.append(Visit(last.agent, last.first, last.tokens + message.tokens))
            else:
                visits.append(Visit(message.agent, number, message.tokens))
        return tuple(visits)

    def tokens(self, first: int = 0, end: int | None = None) -> int:
        """Return the tokens of its messages from number `first` up to, and without, number `end`."""
        return sum(message.tokens for message in self.messages[first:end])

    @property
    def wasted(self) -> int:
        """The tokens after the mistake."""
        return self.tokens(self.mistake + 1)


def load(path: Path) -> list[Recorded]:
    """Read the recorded runs.

    Raises OSError: if there is no such file.
    Raises ValueError: if a line is not such a run.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_run(number, line) for number, line in enumerate(lines, start=1)]


def _run(number: int, line: str) -> Recorded:
    try:
        read = json.loads(line)
        run = Recorded(
            name=read["id"],
            messages=tuple(
                Message(_speaker(step["agent"]), step["tokens"], _is_stalled(step.get("ledger")))
                for step in read["steps"]
            ),
            mistake=int(read["mistake_step"]),
            culprit=_speaker(read["mistake_agent"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"line {number} is no recorded run, as the docstring of this module shows one: {error!r}"
        ) from error
    if not 0 <= run.mistake < len(run.messages):
        raise ValueError(f"line {number}: the mistake is message {run.mistake}, and there are {len(run.messages)}")
    return run


def _speaker(agent: str) -> str:
    """Return an agent without what it does: "Orchestrator (thought)" is the Orchestrator."""
    return agent.partition(" (")[0]


def _is_stalled(ledger: Mapping[str, Any] | None) -> bool | None:
    return None if ledger is None else bool(ledger["in_loop"] or not ledger["progress"])
