"""The inbox of runs in a database: answers of humans that no append has folded, and that a run is to be landed."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import StoreError
from ...reported import report
from ..coded import Coded
from ..refusals import nobody_asks
from ..values import Post
from .session import Driver, Session, Values
from .statements import Statements


class Inbox:
    """Reads and writes answers, and who cancels a run.

    Args:
        coded: makes what is kept of texts.
    """

    def __init__(self, statements: Statements, driver: Driver, coded: Coded) -> None:
        self._sql, self._driver, self._coded = statements, driver, coded

    def posts(self, session: Session, run_ids: Sequence[str], *, is_strict: bool = True) -> dict[str, tuple[Post, ...]]:
        """Return the answers to some runs that no append has folded, oldest first, by run.

        Args:
            is_strict: raise for one that cannot be read; else it is logged and left out.

        Raises StoreError: if one cannot be read.
        """
        posts: dict[str, tuple[Post, ...]] = dict.fromkeys(run_ids, ())
        for run_id, *row in session.rows(self._sql.posts, {"ids": self._driver.ids(run_ids)}) if run_ids else ():
            try:
                posts[run_id] += (self._coded.post(run_id, *row),)
            except StoreError as error:
                if is_strict:
                    raise
                report("%s", error)  # a beat has news of other runs too
        return posts

    def post(
        self, session: Session, run_id: str, question: str, row: Values, body: str, who: str | None
    ) -> str | StoreError:
        """Put an answer into the inbox of a run. Return the id of the one that counts, or why it was refused.

        Args:
            row: its id, and when it came.
            body: JSON.
        """
        encode, of = self._coded.encode, {"run_id": run_id, "question": question}
        if session.rows(self._sql.status, {"run_id": run_id}) in ([], [("finished",)]):
            return nobody_asks(run_id)
        said = {
            "body": encode(run_id, "answer", question, body),
            "who": None if who is None else encode(run_id, "who", question, who),
        }
        session.each(self._sql.add_post, [{**of, **row, **said, "is_folded": False}])
        ((counts,),) = session.rows(self._sql.counting_post, of)
        return str(counts)

    def ask_cancel(self, session: Session, run_id: str, who: str | None) -> bool:
        """Ask for a run to be landed; return whether it is known and has not finished. The first name stays."""
        said = None if who is None else self._coded.encode(run_id, "canceller", "", who)
        return bool(session.rows(self._sql.ask_cancel, {"run_id": run_id, "who": said}))

    def canceller(self, run_id: str, stored: str | None) -> str | None:
        """Return who cancelled a run; None: nobody has said so, or it cannot be read, which is logged."""
        try:
            return None if stored is None else self._coded.decode(run_id, "canceller", "", stored)
        except StoreError as error:
            report("%s", error)  # the run is landed all the same
            return None

    def refuse(self, session: Session, mine: Values, question: str, id: str) -> None:
        """Take an answer out of the inbox of a run, if it is owned as `mine` says."""
        if session.rows(self._sql.mine, mine):
            session.each(self._sql.drop_post, [{"run_id": mine["run_id"], "question": question, "post_id": id}])
