"""LangGraph with its saver for SQLite: each step is in the database before the next begins."""

from typing import Annotated, Any

import aiosqlite
import with_langgraph
from langchain_core.tools import InjectedToolCallId
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from side_world import send


def send_again(order: int, key: Annotated[str, InjectedToolCallId]) -> str:
    """Send an order again."""
    return send(order, key)


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id."""
    saver = AsyncSqliteSaver(await aiosqlite.connect(database))
    return with_langgraph.desk(url, saver=saver, tool=send_again, durability="sync")
