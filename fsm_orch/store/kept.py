"""A run as a store in memory keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from msgspec.structs import replace

from ..kernel.inputs import Answered, Input, Started
from .rebound import Bound
from .values import RELEASED, Claim, Head, Listed, News, Origin, PaidResponse, Post, Rebound


@dataclass
class Kept:
    """A run that is kept."""

    number: int
    owner: str | None
    epoch: int
    head: Head
    began_at: float
    stored_at: float
    journal: list[Input] = field(default_factory=list)
    responses: dict[str, PaidResponse] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)
    """The questions whose posted answers are in the journal."""
    is_cancel_asked: bool = False
    cancelled_by: str | None = None
    rebound: tuple[Rebound, ...] = ()
    origin: Origin | None = None

    @property
    def digest(self) -> str:
        """The digest of the definition with which it goes on."""
        return self.rebound[-1].digest if self.rebound else self.first.digest

    @property
    def first(self) -> Started:
        """Its first input; without any field of its own if it began with something else."""
        first = self.journal[0]
        return first if isinstance(first, Started) else Started(run_id="", context={})

    @property
    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.head.status == "finished"

    def extend(self, inputs: Sequence[Input], head: Head, responses: Sequence[PaidResponse], *, at: float) -> None:
        """Go on with inputs.

        Args:
            at: seconds of the epoch.
        """
        if head.hops != self.head.hops:  # the visit that they were for has ended
            self.responses.clear()
        for response in responses:
            self.responses.setdefault(response.key, response)
        self.journal.extend(inputs)
        ids = {event.id for event in inputs if isinstance(event, Answered)}
        self.folded.update(question for question, post in self.posts.items() if post.id in ids)
        self.head, self.stored_at = head, at

    def claim(self, run_id: str, owner: str) -> Claim:
        """Be an owner's from now on, in a new epoch; nothing changes if it has ended."""
        before = None if self.is_finished else self.owner
        if not self.is_finished:
            self.owner, self.epoch = owner, self.epoch + 1
        return Claim(
            epoch=self.epoch,
            head=self.head,
            inputs=len(self.journal),
            taken_from=before,
            news=self.news(run_id),
            responses=tuple(self.responses.values()),
            stored_at=self.stored_at,
            origin=self.origin,
        )

    def bound(self, *, is_alive: bool) -> Bound:
        """Return what is asked of it when it is to be rebound.

        Args:
            is_alive: whether its owner is.
        """
        return Bound(
            digest=self.digest,
            status=self.head.status,
            inputs=len(self.journal),
            owner=self.owner,
            is_alive=is_alive,
            has_posts=bool(self.news("").posts),
        )

    def rebind(self, to: Rebound) -> None:
        """Have it go on with another version, for whoever claims it next."""
        self.owner, self.epoch = self.bound(is_alive=False).left_to, self.epoch + 1
        self.head = replace(self.head, state=to.renames.state(self.head.state))
        self.rebound += (to,)

    def is_before(self, moment: float) -> bool:
        """Return whether it began and was last stored before a moment."""
        return self.began_at < moment and self.stored_at < moment

    def news(self, run_id: str) -> News:
        """Return what came for it and is not folded."""
        posts = tuple(post for question, post in self.posts.items() if question not in self.folded)
        return News(run_id, posts, self.is_cancel_asked, self.cancelled_by)

    def is_due(self, run_id: str, expired_before: float) -> bool:
        """Return whether somebody should drive it."""
        if self.origin is not None:  # whoever wants a fork asks for it by name
            return False
        if self.head.status != "waiting":
            return self.head.status == "running"
        return bool(self.news(run_id).posts) or self.is_cancel_asked or asks_until(self.head) < expired_before

    def listed(self, run_id: str, is_alive: bool) -> Listed:
        """Return it as a list shows it.

        Args:
            is_alive: whether its owner is.
        """
        of = self.first
        return Listed(
            run_id=run_id,
            head=self.head,
            digest=self.digest,
            rebound=self.rebound,
            thread_id=of.thread_id,
            tenant=of.tenant,
            inputs=len(self.journal),
            epoch=self.epoch,
            owner=None if self.owner == RELEASED else self.owner,
            is_driven=is_alive and not self.is_finished,
            is_cancel_asked=self.is_cancel_asked,
            began_at=self.began_at,
            stored_at=self.stored_at,
            origin=self.origin,
        )


def asks_until(head: Head) -> float:
    """Return when the first question expires, in seconds of the epoch; infinity if none does."""
    return inf if head.expires_at is None or head.status == "finished" else head.expires_at
