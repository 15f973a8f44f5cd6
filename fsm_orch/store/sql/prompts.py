"""Prompts in a database, each one row; its text passes the codec of the store, as those of journals do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import json

from ..coded import Coded
from ..prompts import KeptPrompt
from .names import check_names, checked
from .prompt_statements import PromptStatements, prompt_statements
from .session import Session
from .works import Ask


@dataclass(frozen=True)
class _Works:
    """What is done in a transaction. It does not hold the store, whose writer ends when it is forgotten."""

    sql: PromptStatements
    coded: Coded

    def keep(self, session: Session, *, prompt: KeptPrompt, body: str, most: int, since: float) -> None:
        path, visit, call = ".".join(map(str, prompt.path)), prompt.visit, prompt.call
        stored = self.coded.encode(prompt.run_id, "prompt", _key(path, visit, call), body)
        row = {"run_id": prompt.run_id, "path": path, "visit": visit, "call": call, "at": prompt.at, "body": stored}
        session.each(self.sql.keep, [row])
        session.each(self.sql.forget_many, [{"run_id": prompt.run_id, "most": most}])
        session.each(self.sql.forget_old, [{"since": since}])

    def of(self, session: Session, *, run_id: str) -> tuple[KeptPrompt, ...]:
        rows = session.rows(self.sql.of, {"run_id": run_id})
        return tuple([self.coded.prompt(run_id, _key(path, visit, call), body) for path, visit, call, body in rows])


class SqlPrompts:
    """What is kept of the prompts of the runs of a database.

    Args:
        dialect: as SQLAlchemy names it.
        coded: makes what is kept of their texts.
        ask: has something done in a transaction.
    """

    def __init__(self, dialect: str, coded: Coded, ask: Callable[[Ask], asyncio.Future[Any]]) -> None:
        self._works, self._ask = _Works(prompt_statements(dialect), coded), ask

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        """Keep a prompt; forget what is too much, or too old."""
        check_names(prompt.run_id)
        body = json.encode(prompt).decode()
        return self._ask(partial(self._works.keep, prompt=prompt, body=body, most=most, since=since))

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        """Return what is kept of a run, the oldest first."""
        kept: tuple[KeptPrompt, ...] = await self._ask(partial(self._works.of, run_id=checked(run_id)))
        return kept


def _key(path: str, visit: int, call: int) -> str:
    return f"{path}:{visit}:{call}"
