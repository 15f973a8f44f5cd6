"""fsm_orch with its store in SQLite, and a visit that may use its tool once."""

from typing import Any

import with_fsm_orch

from fsm_orch.store.sql import SqlStore


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id."""
    return with_fsm_orch.desk(url, store=SqlStore(f"sqlite:///{database}", lease_s=1), asks=1)
