"""Stores in a file with runs in them, as commands are given them."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from fsm_orch.kernel.inputs import Started
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore


def put(url: str, run_id: str, head: Head, *, is_beating: bool = False, **started: Any) -> None:
    """Store a run that began now and stands somewhere.

    Args:
        is_beating: whether its worker is alive.
        started: fields of its first input.
    """

    async def stored() -> None:
        if is_beating:
            await store.beat()
        first = Started(run_id=run_id, context={}, digest="0123456789abcdef", **started)
        await store.append(run_id, 0, [first], head, epoch=1)

    store = SqlStore(url)
    asyncio.run(stored())
    store.close()


def change(file: Path, statement: str) -> None:
    """Change what is stored in a file of SQLite, as time does."""
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
