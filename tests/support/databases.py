"""Databases behind the back of stores: an empty one, all that its tables hold, and changes that no store would make."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.patience import PATIENCE_S
from support.servers import asking, postgres

from fsm_orch.store.sql.schema import metadata

KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


def url_of(kind: str, folder: Path, name: str) -> str:
    """Return the URL of a database without tables.

    Args:
        name: of it on a server, where another that is called so is dropped.
    """
    return f"sqlite:///{folder}/runs.db" if kind == "sqlite" else postgres().database(name)


def connected(url: str) -> Any:
    """Return a connection that is closed when its block is left."""
    kind, _, path = url.partition(":///")
    return closing(sqlite3.connect(path, timeout=PATIENCE_S) if kind == "sqlite" else asking(url))


def change(url: str, *statements: str) -> None:
    """Change rows."""
    with connected(url) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def rows_of(url: str) -> dict[str, list[Any]]:
    """Return the rows of each table."""
    with connected(url) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in metadata.tables}


def bytes_in(folder: str | Path) -> bytes:
    """Return all that the files of a folder hold, deleted rows and the log that is ahead of the file too."""
    return b"".join(path.read_bytes() for path in Path(folder).iterdir())
