"""Journals in SQLite and PostgreSQL: what runs did survives their process."""

from .store import SqlStore

__all__ = ["SqlStore"]
