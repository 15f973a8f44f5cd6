"""fsm_orch with its store in SQLite, and a visit that may use its tool once."""

from typing import Any

import durable_fsm_orch


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id."""
    return await durable_fsm_orch.desk(url, database, asks=1)
