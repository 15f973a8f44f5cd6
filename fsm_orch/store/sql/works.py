"""What the writer does in one transaction: in the order in which it was asked for, and at once what can be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from .appends import Append, Appends
from .claims import Claims, ToClaim
from .holdings import Books, ToHold
from .session import Session

Ask = Callable[[Session], Any]
"""Anything else, which is done alone. It returns what it refuses with: what it raises is done again."""

Work = Append | ToClaim | ToHold | Ask


class Works:
    """Does works. It does not hold the store, whose writer ends when it is forgotten."""

    def __init__(self, appends: Appends, claims: Claims, books: Books) -> None:
        self._appends, self._claims, self._books = appends, claims, books

    def play(self, session: Session, works: Sequence[Work]) -> Sequence[Any]:
        """Do works. Return what came of each."""
        done = iter(self._in_order(session, [work for work in works if not isinstance(work, ToHold)]))
        # the last of all: accounts that many share are locked in one order, and for no longer than it takes to commit
        holds = [work for work in works if isinstance(work, ToHold)]
        held = iter(self._books.play(session, holds) if holds else ())
        return [next(held if isinstance(work, ToHold) else done) for work in works]

    def _in_order(self, session: Session, works: Sequence[Append | ToClaim | Ask]) -> list[Any]:
        done: list[Any] = []
        together: dict[str, Append | ToClaim] = {}
        for work in works:
            if together and (not isinstance(work, Append | ToClaim) or work.run_id in together):
                done += self._at_once(session, together.values())
                together = {}
            if isinstance(work, Append | ToClaim):
                together[work.run_id] = work
            else:
                done.append(work(session))
        return done + (self._at_once(session, together.values()) if together else [])

    def _at_once(self, session: Session, works: Collection[Append | ToClaim]) -> list[Any]:
        """Do what concerns different runs."""
        appends = [work for work in works if isinstance(work, Append)]
        claims = [work for work in works if isinstance(work, ToClaim)]
        stored = iter(self._appends.play(session, appends) if appends else ())
        claimed = iter(self._claims.play(session, claims) if claims else ())
        return [next(stored if isinstance(work, Append) else claimed) for work in works]
