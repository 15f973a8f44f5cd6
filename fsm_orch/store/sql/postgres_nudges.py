"""Nudges of PostgreSQL: NOTIFY in the transaction of an append, and a connection of its own that listens.

A run's id is sent, and no more. LISTEN is of a session: a pooler that shares connections by transaction passes none on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import psycopg

from ...errors import StoreError
from ..nudges import Nudges
from .dialect import Statement

_CHANNEL = "fsm_orch_runs"

NUDGE = Statement(
    # a longer text is refused, and with it would be the append
    "SELECT pg_notify(%(channel)s, id) FROM unnest(%(ids)s::text[]) AS id WHERE octet_length(id) < 8000",
    {"channel": _CHANNEL},
)
"""Tells of some runs, once the transaction is committed."""

_LOOK_S = 30.0
"""After how long without a word the connection is tried: nobody may have told that it is cut."""
_ANSWER_S = 10.0
"""How long a server may take to answer."""


async def nudges(url: str, options: Mapping[str, Any], shown: str) -> Nudges:
    """Yield the runs of which something is stored; None once it listens.

    Args:
        url: as libpq takes it.
        options: of the connection.
        shown: names the database in messages.

    Raises StoreError: if nothing more is told.
    """
    try:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, **options) as connection:
            await connection.execute(f"LISTEN {_CHANNEL}".encode())
            yield None
            while True:
                async for each in connection.notifies(timeout=_LOOK_S):
                    yield each.payload
                async with asyncio.timeout(_ANSWER_S):
                    await connection.execute(b"SELECT 1")
    except (psycopg.Error, OSError) as error:  # of which a timeout is one
        raise StoreError(f"the store {shown} tells nothing more ({type(error).__name__})") from None
