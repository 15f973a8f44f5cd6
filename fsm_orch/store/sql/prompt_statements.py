"""The statements of prompts, compiled to each dialect's text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from .dialect import Statement, bound, text_of
from .schema import prompts


@dataclass(frozen=True)
class PromptStatements:
    """The text of each statement in one dialect."""

    keep: Statement
    forget_old: Statement
    """Of all runs, what is older than a moment."""
    forget_many: Statement
    """Of one run, all but the newest."""
    of: Statement


@cache  # to compile them takes milliseconds
def prompt_statements(dialect: str) -> PromptStatements:
    """Return the statements of a dialect, as SQLAlchemy names it."""
    insert, p, other = sqlite.insert if dialect == "sqlite" else postgresql.insert, prompts.c, prompts.alias()
    keep = insert(prompts).values({column.name: bound(column.name) for column in p})
    newest = (
        sa.select(other.c.at)
        .where(other.c.run_id == bound("run_id"))
        .order_by(other.c.at.desc())
        .limit(1)
        .offset(bound("most"))
        .scalar_subquery()
    )
    clauses = {
        "keep": keep.on_conflict_do_update(
            index_elements=[column.name for column in prompts.primary_key],
            set_={column.name: keep.excluded[column.name] for column in p if not column.primary_key},
        ),
        "forget_old": sa.delete(prompts).where(p.at < bound("since", sa.Double)),
        "forget_many": sa.delete(prompts).where(p.run_id == bound("run_id"), p.at <= newest),
        "of": sa.select(p.path, p.visit, p.call, p.body)
        .where(p.run_id == bound("run_id"))
        .order_by(p.at, p.path, p.visit, p.call),
    }
    return PromptStatements(**{name: text_of(dialect, clause) for name, clause in clauses.items()})
