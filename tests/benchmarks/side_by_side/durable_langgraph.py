"""LangGraph with its saver for SQLite: each step is in the database before the next begins."""

from typing import Any

import aiosqlite
import with_langgraph
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id."""
    saver = AsyncSqliteSaver(await aiosqlite.connect(database))
    return with_langgraph.desk(url, saver=saver, durability="sync")
