"""What must hold at every moment, as a model of its own that knows no code of stores or workers.

It sees each message that a store has answered, by the order in which that happened, and what leaves the fleet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fsm_orch.clock import Clock
from fsm_orch.kernel import inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.step import step
from fsm_orch.store import Head, Listed

from .processes import Process
from .story import Broken
from .work import READS


@dataclass
class Seen:
    """What is known of one run."""

    compiled: CompiledMachine
    owner: tuple[str, int] | None
    """The worker that may write, and its epoch; None: it is free."""
    epochs: list[int]
    now: Configuration
    journal: list[Input] = field(default_factory=list)
    sent: Counter[int] = field(default_factory=Counter)
    """By number of what is asked, how many requests arrived."""
    settled: set[int] = field(default_factory=set)
    """The numbers whose usage is stored."""
    open_at_claim: int = 0
    """How many calls were open in the journal when it was claimed last."""
    winner: str | None = None
    """The id of the answer that counts."""
    cancelled_in: tuple[str, int] | None = None
    """Who drove it when its cancellation was asked for."""
    is_cancel_asked: bool = False
    lands: bool = False
    """Whether whoever drives it was told at its claim that it was cancelled: nothing more may be begun."""

    @property
    def is_finished(self) -> bool:
        """Whether it has ended."""
        return self.now.status == "finished"

    @property
    def is_due(self) -> bool:
        """Whether somebody should drive it."""
        if self.is_finished or not self.now.is_waiting:
            return not self.is_finished
        is_answered = self.winner is not None and all(getattr(event, "id", "") != self.winner for event in self.journal)
        return is_answered or self.is_cancel_asked

    @property
    def paid(self) -> int:
        """Tokens that a provider billed."""
        return sum((READS + number) * count for number, count in self.sent.items())


class Rules:
    """Watches a fleet.

    Args:
        machines: by digest.
        clock: of the store.
        lease_s: for how long a beat keeps the runs of a worker.
    """

    def __init__(self, machines: dict[str, CompiledMachine], clock: Clock, lease_s: float) -> None:
        self._machines, self._clock, self._lease_s = machines, clock, lease_s
        self.runs: dict[str, Seen] = {}
        self.leases: dict[str, float] = {}
        """By worker, until when its runs are kept from others."""
        self.bank = Counter[str]()
        self.claims = Counter[str]()
        """How many claims were granted, and how many came too late."""

    # --- what a store has answered ---

    def beaten(self, who: str) -> None:
        """Note that a beat has arrived."""
        self.leases[who] = self._clock() + self._lease_s

    def appended(
        self, who: str, run_id: str, start: int, new: Sequence[Input], head: Head, *, epoch: int, is_queued: bool
    ) -> None:
        """Check that who has appended might, and that what is stored now folds."""
        run = self.runs.get(run_id)
        if run is None:
            run = self._begun(None if is_queued else (who, epoch), epoch, new[0])
            self.runs[run_id] = run
        elif run.owner != (None if is_queued else (who, epoch)) and start + len(new) > len(run.journal):
            raise Broken(f"driven twice: {who} has appended to {run_id} in epoch {epoch}, and it is {_told(run)}")
        if start > len(run.journal):
            raise Broken(f"{run_id} has a gap at {len(run.journal)}")
        later = new[max(0, len(run.journal) - start) :]
        for event in later:
            self._fold(run, run_id, event)
        if later and (head.state, head.hops) != (run.now.state, run.now.hops):
            raise Broken(f"the head of {run_id} says {head}, and its journal folds to {run.now.state!r}")

    def _begun(self, owner: tuple[str, int] | None, epoch: int, first: Input) -> Seen:
        assert isinstance(first, inputs.Started)
        compiled = self._machines[first.digest]
        return Seen(compiled, owner, [epoch], step(compiled, None, first).configuration, [first])

    def _fold(self, run: Seen, run_id: str, event: Input) -> None:
        if run.is_finished:
            raise Broken(f"{run_id} has ended, and goes on with {event}")
        if isinstance(event, inputs.CallSettled) and event.usage is None:
            run.open_at_claim -= 1
            if run.open_at_claim < 0:
                raise Broken(f"{run_id} was charged for more calls than were open when it was claimed")
        if isinstance(event, inputs.CallSettled) and event.usage is not None:
            run.settled.add(event.usage.output_tokens)
        if isinstance(event, inputs.Answered) and run.winner is not None and event.id != run.winner:
            raise Broken(f"{run_id} was answered by {event.id!r}, and {run.winner!r} came first")
        if run.lands and isinstance(event, inputs.CallReserved | inputs.Asked | inputs.Replied):
            raise Broken(f"{run_id} was cancelled before it was claimed, and goes on with {event}")
        run.now = step(run.compiled, run.now, event).configuration
        run.journal.append(event)

    def claimed(self, who: str, run_id: str, epoch: int, *, drives: frozenset[str]) -> None:
        """Check that who has claimed a run might."""
        run = self.runs[run_id]
        if run.is_finished:
            return
        self.claims["granted"] += 1
        if run.compiled.definition.digest not in drives:
            raise Broken(f"{who} has claimed {run_id}, whose machine it does not know")
        if run.owner is not None and run.owner[0] != who and self.leases.get(run.owner[0], 0.0) > self._clock():
            left = self.leases[run.owner[0]] - self._clock()
            raise Broken(f"taken too early: {who} has claimed {run_id}, {_told(run)}, whose lease lasts {left:.1f} s")
        if epoch <= run.epochs[-1]:
            raise Broken(f"{run_id} was claimed in epoch {epoch}, after {run.epochs[-1]}")
        run.owner, run.open_at_claim = (who, epoch), len(_open(run.now))
        run.epochs.append(epoch)
        run.lands = run.is_cancel_asked

    def held(self, who: str, run_id: str) -> None:
        """Check that a run which was refused to somebody is another's, who beats."""
        run = self.runs[run_id]
        self.claims["wasted"] += 1
        if not self._is_driven(run) or run.is_finished:
            raise Broken(f"{who} was refused {run_id}, which is {_told(run)}")

    def looked(self, who: str, digests: Collection[str], limit: int, found: Sequence[Listed]) -> None:
        """Check that somebody who looks for runs is shown what nobody drives, and nothing that another drives."""
        for row in found:
            run = self.runs[row.run_id]
            if row.digest not in digests:
                raise Broken(f"{who} looks for runs, and is shown {row.run_id}, whose machine it did not name")
            if self._is_driven(run) and run.owner is not None and run.owner[0] != who:
                raise Broken(f"taken too early: {who} looks for runs, and is shown {row.run_id}, {_told(run)}")
        shown = {row.run_id for row in found}
        for run_id, run in self.runs.items():
            is_theirs = run.compiled.definition.digest in digests
            if len(found) < limit and is_theirs and run_id not in shown and run.owner is None and run.is_due:
                raise Broken(f"{who} looks for runs, and is not shown {run_id}, which is free")

    def _is_driven(self, run: Seen) -> bool:
        return run.owner is not None and self.leases.get(run.owner[0], 0.0) > self._clock()

    def released(self, who: str, run_id: str, epoch: int) -> None:
        """Note that a run is free, if it was let go of by who drove it."""
        run = self.runs.get(run_id)
        if run is not None and run.owner == (who, epoch) and not run.is_finished:
            run.owner = None

    def posted(self, run_id: str, id: str) -> None:
        """Note which answer counts."""
        run = self.runs[run_id]
        if run.winner not in (None, id):
            raise Broken(f"of the answers to {run_id}, {run.winner!r} counts, and then {id!r}")
        run.winner = id

    def refused(self, run_id: str, id: str) -> None:
        """Note that an answer counts no more, since it did not fit."""
        if self.runs[run_id].winner == id:
            self.runs[run_id].winner = None

    def asked_to_cancel(self, run_id: str) -> None:
        """Note that somebody wants a run to land."""
        run = self.runs[run_id]
        if not run.is_cancel_asked:
            run.is_cancel_asked, run.cancelled_in = True, run.owner

    # --- what leaves the fleet ---

    def sent(self, process: Process, run_id: str, number: int) -> None:
        """Check that nothing is asked again whose answer is stored, by who drives the run."""
        run = self.runs[run_id]
        if run.owner is not None and run.owner[0] == process.name and number in run.settled:
            raise Broken(f"{process.name} sends {number} for {run_id} again, and it was settled")

    def billed(self, run_id: str, number: int) -> None:
        """Check that what is billed was reserved before, in the journal that is stored."""
        run = self.runs[run_id]
        run.sent[number] += 1
        if run.paid > booked(run.now):
            raise Broken(f"T3: {run_id} has paid {run.paid}, and {booked(run.now)} are settled or reserved for calls")

    def paid(self, key: str) -> None:
        """Check that nothing is paid twice."""
        self.bank[key] += 1
        if self.bank[key] > 1:
            raise Broken(f"the bank has paid {key!r} twice")

    # --- the end ---

    def ended(self, run_id: str) -> None:
        """Check a run that has ended."""
        run, landing = self.runs[run_id], self.runs[run_id].now.landing
        if run.now.ledger.settled.tokens < run.paid:
            raise Broken(f"T3: {run_id} has paid {run.paid}, and {run.now.ledger.settled.tokens} are settled")
        answers = [event for event in run.journal if isinstance(event, inputs.Answered)]
        if len(answers) > 1:
            raise Broken(f"{run_id} was answered {len(answers)} times")
        is_same = run.cancelled_in is not None and run.cancelled_in == run.owner
        if run.is_cancel_asked and landing != "cancelled" and not (is_same or run.lands):
            raise Broken(f"the cancellation of {run_id} was lost: {run.now.state!r}, landing {landing}")
        is_late = any(isinstance(event, inputs.Failed) and event.reason == "timeout" for event in run.journal)
        if run.winner is not None and not (answers or run.is_cancel_asked or is_late):
            raise Broken(f"the answer {run.winner!r} to {run_id} was lost: {run.now.state!r}, landing {landing}")


def _open(now: Configuration) -> list[int]:
    """Return what the calls that are open have reserved, in tokens, of all machines in the tree."""
    if now.visit is None:
        return []
    inside = [tokens for ask in now.visit.asks.values() if ask.child is not None for tokens in _open(ask.child)]
    return [amount.tokens for amount in now.visit.open.values()] + inside


def booked(now: Configuration) -> int:
    """Return the tokens that are settled, or reserved for a call that is open, in the whole tree."""
    # not what is reserved for calls to come: a request must leave after its own reservation is stored
    inside = [] if now.visit is None else [ask.child for ask in now.visit.asks.values() if ask.child is not None]
    own = now.ledger.settled.tokens + sum(amount.tokens for amount in (now.visit.open if now.visit else {}).values())
    return own + sum(booked(child) for child in inside)


def _told(run: Seen) -> str:
    return "free" if run.owner is None else f"driven by {run.owner[0]} in epoch {run.owner[1]}"
