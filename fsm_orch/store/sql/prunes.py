"""Pruning of a database: runs that have ended are forgotten with all that is beside them, some in one transaction."""

from __future__ import annotations

from math import inf

from .session import Driver, Session
from .statements import Statements

_FORGOTTEN = 250
"""How many runs are looked at in one transaction."""

Place = tuple[str, float]
"""The id of a run, and when it began."""

OLDEST: Place | None = ("", -inf)
"""Stands before every run."""


class Prunes:
    """Forgets runs."""

    def __init__(self, statements: Statements, driver: Driver) -> None:
        self._sql, self._ids = statements, driver.ids

    def forget(self, session: Session, *, ended_before: float, place: Place) -> tuple[int, Place | None]:
        """Forget some runs that began after one. Return how many, and after which to go on; None: there are no more."""
        sql, ids, (after, began_at) = self._sql, self._ids, place
        values = {"ended_before": ended_before, "began_at": began_at, "after": after, "limit": _FORGOTTEN}
        ended = session.rows(sql.ended, values)
        threads = {thread_id for _, _, thread_id in ended if thread_id is not None}
        last_open = dict(session.rows(sql.last_open, {"threads": ids(sorted(threads))})) if threads else {}
        over = [run_id for run_id, began_at, thread_id in ended if began_at > last_open.get(thread_id, -inf)]
        beside = (sql.forget_inputs, sql.forget_responses, sql.forget_posts, sql.forget_rebindings, sql.forget_notices)
        for forget in (*beside, sql.forget_prompts, sql.forget_runs) if over else ():
            session.each(forget, [{"ids": ids(over)}])
        return len(over), ended[-1][:2] if len(ended) == _FORGOTTEN else None

    def forget_windows(self, session: Session, *, over: float) -> bool:
        """Forget some of what is kept of windows of quotas that ended by a moment. Return whether there may be more."""
        values = {"over": over, "limit": _FORGOTTEN}
        forgotten = [session.rows(each, values) for each in (self._sql.forget_quota_runs, self._sql.forget_quotas)]
        return any(len(rows) >= _FORGOTTEN for rows in forgotten)
