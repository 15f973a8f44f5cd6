"""A process that forks with a store: the child has one of its own, and takes nothing from its parent."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from conformance.stores.appending import at, put

from fsm_orch.errors import StoreError
from fsm_orch.store.sql import SqlStore


def test_a_fork_has_a_store_of_its_own(tmp_path: Path) -> None:
    """The child writes on, by its own connection and as another worker; the parent's is not touched."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    asyncio.run(put(store, "a", 0, at(1)))
    child = os.fork()
    if not child:
        try:
            asyncio.run(put(store, "b", 0, at(1)))
            with pytest.raises(StoreError):
                asyncio.run(put(store, "a", 1, at(2)))
            store.close()
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert 0 == os.waitpid(child, 0)[1]
    asyncio.run(put(store, "a", 1, at(2)))

    assert tuple(at(1)) == asyncio.run(store.load("b"))
    store.close()


def test_what_a_fork_has_stored_outlives_its_parent(tmp_path: Path) -> None:
    """The parent closes the last connection that has the locks of SQLite, and deletes no log that the child writes."""
    url = f"sqlite:///{tmp_path}/runs.db"
    store, (goes, tell) = SqlStore(url), os.pipe()
    asyncio.run(put(store, "a", 0, at(1)))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    child = os.fork()
    if not child:
        try:
            asyncio.run(put(store, "b", 0, at(1)))
            os.write(tell, b".")
            signal.sigwait([signal.SIGUSR1])
            asyncio.run(put(store, "c", 0, at(1)))
            store.close()
            os._exit(0)
        except BaseException:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert b"." == os.read(goes, 1)
    store.close()
    again = SqlStore(url)
    asyncio.run(put(again, "d", 0, at(1)))
    again.close()
    os.kill(child, signal.SIGUSR1)
    assert 0 == os.waitpid(child, 0)[1]
    os.close(goes)
    os.close(tell)

    kept = SqlStore(url)
    assert tuple(at(1)) == asyncio.run(kept.load("c"))
    kept.close()
