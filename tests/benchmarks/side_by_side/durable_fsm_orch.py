"""fsm_orch with its store in SQLite."""

from typing import Any

import with_fsm_orch
from side_world import send

from fsm_orch.store.sql import SqlStore


def send_again(order: int, *, key: str) -> str:
    """Send an order again."""
    return send(order, key)


async def desk(url: str, database: str) -> Any:
    """Return what answers a question, and goes on with one by its id."""
    store = SqlStore(f"sqlite:///{database}", lease_s=1)
    return with_fsm_orch.desk(url, store=store, tool=send_again)
