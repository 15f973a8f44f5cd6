"""The port of desks, where a metered model books its calls."""

from __future__ import annotations

from typing import Protocol

from ..amounts import Usage
from ..kernel.legal import Offer
from ..kernel.reasons import CallCause
from .base import Request, Response


class Memory(Protocol):
    """What was answered to the requests of an attempt, which after a crash makes them again."""

    def recall(self, request: Request) -> tuple[int, Response | None]:
        """Count a request. Return its number in the attempt, and what it was answered already, if it was."""
        ...

    def keep(self, number: int, call: int, request: Request, response: Response) -> None:
        """Keep what a request was answered; its call is settled next."""
        ...


class Desk(Protocol):
    """Where a metered model books its calls: the run's single writer, as one attempt sees it.

    Raises VisitClosed: from `check`, `reserve`, `written`, `stored` and what draws a menu, once the attempt has ended.
    """

    def check(self) -> object:
        """Check that calls may still be made, and may be made on this thread and event loop."""
        ...

    def reserve(self, input_tokens: int, output_tokens: int, model: str | None = None, waited_s: float = 0.0) -> int:
        """Reserve a call and return its number.

        Args:
            model: the name of the one that is asked; None: the state's.
            waited_s: how long it has waited at a gate.

        Raises CallDenied: if the kernel denies it; do not try it again.
        """
        ...

    async def written(self) -> None:
        """Wait until the journal is stored, and check again: a request goes out only after its reservation is."""
        ...

    async def stored(self) -> None:
        """Wait until the journal is stored, when nothing is to go out."""
        ...

    def most_offered(self) -> Offer:
        """Return the most that a request may offer, whatever its call will reserve."""
        ...

    def offered(self, most: Offer) -> Offer:
        """Return what of the most, something being used up, is legal beside what the request's call has reserved."""
        ...

    def calls_left(self) -> int:
        """Return how many more calls this visit may make."""
        ...

    def seconds_left(self) -> float:
        """Return the seconds until the visit's time or the run's deadline is over, whichever comes first."""
        ...

    def settle(self, call: int, usage: Usage | None, cause: CallCause | None = None) -> None:
        """Charge a call what it used, however late that is known; None charges its whole reservation.

        Args:
            cause: why it brought no answer; None: it did.
        """
        ...

    def release(self, call: int, cause: CallCause | None = None) -> None:
        """Release the reservation of a call that provably cost nothing.

        Args:
            cause: why it brought no answer; None: it was not sent.
        """
        ...
