"""What came for a run from outside, while it is driven or when it goes on: answers of humans, and a wish to cancel it.

Of two answers to one question the first in the inbox counts. It is folded if its question is still open and it fits;
else it is refused, which makes room for another. Whoever posts tries it before, as `Runner.resume` does.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from ..clock import Clock
from ..errors import AnswerError, AnswerLate, StepError
from ..kernel import inputs
from ..reported import report
from ..store.base import Store
from ..store.values import News, Post
from .aside import aside, logged
from .cast import Cast
from .driven import Driven
from .waiting import Question, answered, chosen, open_questions, overdue
from .writer import Run

_CANCELLED = "it was cancelled from outside"
_AT_ANY_TIME = float("-inf")
"""An answer that is in the inbox has come before whoever lets its question expire."""

_NOT_REFUSED = "an answer could not be refused"


class Inbox:
    """The inboxes of the runs of one machine.

    Args:
        store: keeps them; None: there are none.
        wall_clock: seconds of the epoch, by which questions expire.
    """

    def __init__(self, store: Store | None, cast: Cast, wall_clock: Clock) -> None:
        self._store, self._cast, self._wall_clock = store, cast, wall_clock

    async def fold(self, run: Run, news: News) -> None:
        """Fold what came for a run, and take what does not fit out of its inbox, so that another answer may come."""
        for post in _folded(run, news, self._cast):
            await logged(self._refusing(run, post), _NOT_REFUSED)

    def fold_now(self, run: Run, news: News) -> None:
        """Fold what came for a run, as `fold` does; nobody waits until the rest is taken out."""
        for post in _folded(run, news, self._cast):
            aside(self._refusing(run, post), _NOT_REFUSED)

    def expire(self, run: Run) -> None:
        """Let the questions of a run expire whose time is over, unless nothing more is folded here."""
        now_s = self._wall_clock()
        while not run.is_finished and not run.is_left and (late := overdue(run, now_s)) is not None:
            run.fold(_expired(run, late))

    def look_at(self, driven: Driven, all_news: Sequence[News]) -> None:
        """Fold what came for runs that are driven here, and let their questions expire."""
        for news in all_news:
            driven.tell(news.run_id, partial(self.fold_now, news=news))
        driven.tell_all(self.expire)

    def _refusing(self, run: Run, post: Post) -> Callable[[], Awaitable[object]]:
        assert self._store is not None  # it came from there
        return partial(self._store.refuse, run.now.run_id, post.question, post.id, epoch=run.epoch)


def cancelled_by(who: str | None) -> str:
    """Return why a run is landed that somebody cancels, in words, and by whom if that is known."""
    return _CANCELLED if who is None else f"{_CANCELLED}, by {who}"


def _folded(run: Run, news: News, cast: Cast) -> list[Post]:
    """Fold what came for a run, unless nothing more is folded here. Return and log the answers that are refused."""
    if news.is_cancel_asked:
        run.land(cancelled_by(news.cancelled_by))
    refused: list[Post] = []
    for post in news.posts:
        if run.is_finished or run.is_left:
            break
        try:
            event = _event(run, post, cast)
        except (AnswerError, StepError):  # which tell of the answer, and a log may not
            report(
                "run %s: the answer %r to %r was refused, and changes nothing: its question is not open, or it does "
                "not fit. Runner.resume says why before it posts one",
                *(run.now.run_id, post.id, post.question),
            )
            refused.append(post)
        else:
            if event is not None:
                run.fold(event)
    return refused


def check_folded(run: Run, key: str, id: str) -> None:
    """Check that the answer of an id is in the journal.

    Args:
        key: of its question.

    Raises AnswerLate: if it is not; says why.
    """
    if not any(isinstance(event, inputs.Answered) and event.id == id for event in run.journal):
        question = chosen(run, key)
        raise AnswerLate(f"the answer {id!r} to {question.key!r} does not fit any more: load what it waits for now")


def _event(run: Run, post: Post, cast: Cast) -> inputs.Answered | None:
    """Return an answer as an input; None if it is folded already, and not stored yet.

    Raises AnswerError: if it cannot be folded.
    """
    question = next((each for each in open_questions(run) if each.key == post.question), None)
    is_known = any(isinstance(event, inputs.Answered) and event.id == post.id for event in run.journal)
    if is_known and (question is not None or run.is_stored):
        raise AnswerError(f"id {post.id!r} is of another answer in this run: give each answer an id of its own")
    if is_known:
        return None
    if question is None:
        raise AnswerError(f"{post.question!r} is not open")
    return answered(run, question, post.answer, id=post.id, who=post.who, cast=cast, now_s=_AT_ANY_TIME)


def _expired(run: Run, question: Question) -> inputs.Failed:
    """Return that nobody has answered a question in time, as an input."""
    at = run.now.at if run.now.is_waiting else run.elapsed()  # no time passes while it waits for nothing else
    detail = f"nobody answered {question.key!r} in time"
    return inputs.Failed(reason="timeout", detail=detail, at=at, path=question.path)
