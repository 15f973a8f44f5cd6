"""Brings the tables of a database to the version of this package, whoever else does so at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

_SCRIPTS = Path(__file__).parent / "migrations"
_LOCK = 0x66736D5F6F726368
"""Names the advisory lock: "fsm_orch" in ASCII."""


def migrate(dialect: str, connect: Callable[[], Any]) -> None:
    """Bring the tables to the newest version, in one transaction.

    Args:
        dialect: as SQLAlchemy names it.
        connect: opens a connection of the driver.

    Raises alembic.util.CommandError: if a newer package made the tables.
    Raises what the driver raises.
    """
    try:
        _upgrade(sa.create_engine(f"{dialect}://", creator=connect, poolclass=NullPool))
    except DBAPIError as error:
        # that of the driver says if it is worth another try, as with a locked file
        raise (error.orig or error) from None


def _upgrade(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        # two processes that start at once would both make the tables, and one would fail: whoever comes second waits
        # here, and finds them made
        if engine.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
        command.upgrade(config, "head")
        connection.commit()
