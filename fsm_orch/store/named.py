"""Stores by URL, as runners are given them. What a database needs is imported when one is first named."""

from __future__ import annotations

from ..define.wording import to_install
from ..errors import StartError
from .base import LEASE_S, Store


def store_at(url: str, *, lease_s: float = LEASE_S) -> Store:
    """Return the store at a URL: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Args:
        lease_s: for how many seconds a beat keeps the runs of this worker from others.

    Raises StartError: if it names no database, or a package is missing. No message holds a password.
    """
    try:
        from .sql import SqlStore  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise StartError(f"a store in a database needs some packages: {to_install('sql')}") from error
    return SqlStore(url, lease_s=lease_s)
