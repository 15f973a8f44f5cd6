"""Claims, releases and beats of one worker in a database: who drives each run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from ...errors import StoreError
from ..coded import Coded
from ..refusals import lease_held
from ..values import RELEASED, Claim, Head, News, PaidResponse, Post, RunStatus
from .inbox import Inbox
from .pages import origin_of
from .session import Driver, Session
from .statements import Statements

_OVER_S = 3_600.0
"""For how long the lease of a worker must be over until the worker is forgotten; nothing else tells the two apart."""


class ToClaim(Struct, frozen=True):
    """Which run is to be claimed."""

    run_id: str


class _Found(NamedTuple):
    """A run that is to be claimed, as it is stored."""

    id: str
    owner: str | None
    epoch: int
    responses: int
    has_news: bool
    is_cancel_asked: bool
    cancelled_by: str | None
    is_alive: bool
    state: str
    status: RunStatus
    hops: int
    tokens: int
    expires_at: float | None
    inputs: int
    stored_at: float
    origin: str | None

    @property
    def is_finished(self) -> bool:
        return self.status == "finished"


class Claims:
    """Claims runs and lets go of them.

    Args:
        owner: this worker.
        coded: makes what is kept of texts.
    """

    def __init__(self, statements: Statements, driver: Driver, owner: str, coded: Coded, inbox: Inbox) -> None:
        self._sql, self._driver, self._owner = statements, driver, owner
        self._coded, self._inbox = coded, inbox

    def play(self, session: Session, claims: Sequence[ToClaim]) -> list[Claim | StoreError | None]:
        """Claim different runs. Return what came of each: an error if another drives it, None if it is not known."""
        ids = [claim.run_id for claim in claims]
        found = {row[0]: _Found(*row) for row in session.rows(self._sql.find, {"ids": self._driver.ids(ids)})}
        ours = {run.id: run for run in found.values() if run.is_finished or not self._is_held(run)}
        if begun := [run.id for run in ours.values() if not run.is_finished]:
            session.each(self._sql.claim, [{"ids": self._driver.ids(begun), "me": self._owner}])
        # what most runs have not is not asked for
        posts = self._inbox.posts(session, [run.id for run in ours.values() if run.has_news])
        responses = self._responses(session, [run.id for run in ours.values() if run.responses])
        return [
            None
            if (run := found.get(run_id)) is None
            else self._claimed(run, posts.get(run_id, ()), responses.get(run_id, ()))
            if run_id in ours
            else lease_held(run_id, str(run.owner))
            for run_id in ids
        ]

    def _claimed(self, run: _Found, posts: tuple[Post, ...], responses: Sequence[PaidResponse]) -> Claim:
        return Claim(
            epoch=run.epoch + (not run.is_finished),
            head=Head(run.state, run.status, run.hops, run.tokens, run.expires_at),
            inputs=run.inputs,
            taken_from=None if run.is_finished else run.owner,
            news=self._news(run.id, posts, run.is_cancel_asked, run.cancelled_by),
            responses=tuple(responses),
            stored_at=run.stored_at,
            origin=origin_of(run.origin),
        )

    def _is_held(self, run: _Found) -> bool:
        return bool(run.is_alive) and run.owner != self._owner

    def _responses(self, session: Session, run_ids: Sequence[str]) -> dict[str, list[PaidResponse]]:
        """Return what the visits under way of some runs have been answered already."""
        by_run: dict[str, list[PaidResponse]] = {run_id: [] for run_id in run_ids}
        for run_id, *row in session.rows(self._sql.responses, {"ids": self._driver.ids(run_ids)}) if run_ids else ():
            by_run[run_id].append(self._coded.response(run_id, *row))
        return by_run

    def release(self, session: Session, run_id: str, epoch: int, *, is_open: bool, unless_news: bool) -> News | None:
        """Let go of a run, unless something has come that keeps it: then return that."""
        mine = {"run_id": run_id, "my_epoch": epoch, "me": self._owner}
        # the row is locked first: whoever posted, and found the run owned, had posted before
        if unless_news and (found := session.rows(self._sql.mine, mine)):
            news = self._news(run_id, self._inbox.posts(session, [run_id], is_strict=False)[run_id], *found[0])
            if news.is_any:
                return news
        session.each(self._sql.release, [{**mine, "left_to": RELEASED if is_open else None}])
        return None

    def beat(self, session: Session, lease_s: float | None) -> tuple[News, ...]:
        """Keep this worker alive, and forget others that are long dead. Return what came for its runs."""
        session.each(self._sql.beat, [{"me": self._owner, "lease_s": lease_s}])
        session.each(self._sql.bury, [{"over_s": _OVER_S}])
        found = session.rows(self._sql.news, {"me": self._owner})
        posts = self._inbox.posts(session, [run_id for run_id, *_ in found], is_strict=False)
        return tuple(self._news(run_id, posts[run_id], *cancelled) for run_id, *cancelled in found)

    def _news(self, run_id: str, posts: tuple[Post, ...], is_cancel_asked: bool, cancelled_by: str | None) -> News:
        return News(run_id, posts, bool(is_cancel_asked), self._inbox.canceller(run_id, cancelled_by))
