"""Names that a database can hold."""

from __future__ import annotations

from ...errors import StoreError


def checked(name: str) -> str:
    """Return a name that a database can hold.

    Raises StoreError: if it holds a character that PostgreSQL refuses and SQLite ends texts at.
    """
    if "\x00" in name:
        raise StoreError(f"{name!r} holds the character 0, which databases do not keep: give it another name")
    return name


def check_names(*names: str | None) -> None:
    """Check names; None is one that is not given.

    Raises StoreError: if a database cannot hold one.
    """
    for name in names:
        if name is not None:
            checked(name)
