"""Ids that are made of what is asked for, so that the store's primary key decides between workers.

Two workers that are asked for the same run make the same id, and one of them is told by the store that it is taken.
"""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from pydantic_core import to_json


def _digest(*parts: str | None) -> str:
    return hashlib.sha256(to_json(parts)).hexdigest()[:32]


def run_of_key(machine: str, tenant: str | None, key: str) -> str:
    """Return the id of the run that an Idempotency-Key names: of one machine, for one tenant."""
    return _digest("key", machine, tenant, key)


def run_after(machine: str, thread: str, before: str | None) -> str:
    """Return the id of the run of a thread that comes after another; None: its first one."""
    return _digest("thread", machine, thread, before)


def thread_of(tenant: str | None, thread_id: str) -> str:
    """Return what a thread is called in the store: nobody comes upon the threads of a tenant, be it without one."""
    return _whose(tenant, thread_id) + thread_id


def told_thread(tenant: str | None, thread: str) -> str:
    """Return what its client calls a thread of the store."""
    return thread.removeprefix(_whose(tenant, thread))


def _whose(tenant: str | None, thread_id: str) -> str:
    if tenant is not None:
        return f"{quote(tenant, safe='')}:"
    return "%:" if ":" in thread_id else ""  # which no tenant is called, quoted
