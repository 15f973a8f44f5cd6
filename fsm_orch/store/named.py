"""Stores by URL, as runners are given them. What a database needs is imported when one is first named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..define.wording import to_install
from ..errors import StartError
from .base import LEASE_S
from .coded import Codec

if TYPE_CHECKING:
    from .sql import SqlStore


def store_at(
    url: str,
    *,
    lease_s: float = LEASE_S,
    is_there: bool = False,
    patience_s: float = 30.0,
    codec: Codec | None = None,
) -> SqlStore:
    """Return the store at a URL: `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`.

    Args:
        lease_s: for how many seconds a beat keeps the runs of this worker from others.
        is_there: whether a file must be there already; else it is made.
        patience_s: for how many seconds a database that is away is waited for.
        codec: makes what is kept of texts; None: they are kept as they are.

    Raises StartError: if it names no database, its file must be there and is not, or a package is missing. No message
        holds a password.
    """
    try:
        from .sql import SqlStore  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise StartError(f"a store in a database needs some packages: {to_install('sql')}") from error
    return SqlStore(url, lease_s=lease_s, is_there=is_there, patience_s=patience_s, codec=codec)
