"""A process that writes journals to a store until it is killed, and says what was acknowledged.

    python writes.py URL RUNS

Each line of its output is a run and how many inputs of it are kept.
"""

from __future__ import annotations

import asyncio
import os
import sys

from fsm_orch.kernel import inputs
from fsm_orch.store import Head
from fsm_orch.store.sql import SqlStore


async def _write(store: SqlStore, run: str) -> None:
    place = 0
    while True:
        new = [inputs.Cancelled(detail=run, at=float(place + more)) for more in range(3)]
        await store.append(run, place, new, Head("a", hops=place), epoch=1)
        place += len(new)
        os.write(1, f"{run} {place}\n".encode())


async def _main(url: str, runs: int) -> None:
    store = SqlStore(url)
    await store.beat()
    await asyncio.gather(*(_write(store, f"r{n}") for n in range(runs)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
