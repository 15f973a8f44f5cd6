"""Rules of rounds that are wrong in one thing each, planted in the kernel: whoever explores must find every one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from support.roads import Asker, Nothing, road

from fsm_orch import Final, Limits, Machine, State
from fsm_orch.amounts import NOTHING
from fsm_orch.define.parts import Part, ToolSpec
from fsm_orch.kernel import asks, attempts, configuration, course, rounds
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.ledger import Ledger

FARE = road({"find": 300}, [])
TOOLS = (ToolSpec(name="look"), ToolSpec(name="pay", approval=True))


class Busy(Machine[Nothing]):
    """Ask for all that can be asked for."""

    gather = State(
        Asker(
            kind="parallel",
            parts=(Part(name="a", definition=FARE), Part(name="b", definition=FARE, most=2)),
            asks=4,
            must_ask=True,
        ),
        initial=True,
    )
    assist = State(Asker(kind="llm", calls=2, tools=TOOLS, asks=3))
    approve = State(Asker(kind="human", asks_human=True, asks=1, must_ask=True, proposes=True))
    done, kept = Final(), Final()
    desk = Final(fallback=True)
    found, helped = gather.to(assist), assist.to(approve, "ask a human")
    yes, no = approve.to(done, "yes"), approve.to(kept, "no")
    limits = Limits(hops=5, tokens=20_000)


class Planted(NamedTuple):
    """A fault in a rule."""

    theorem: str
    said: str
    """What is said of it, as a regular expression."""
    plant: Callable[[pytest.MonkeyPatch], None]


def _put(where: Any, name: str, make: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Plant another function in the place of one, which it is made of."""
    return lambda patch: patch.setattr(where, name, make(getattr(where, name)))


def _in_all(name: str, make: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Plant another property in the log of a round."""
    return lambda patch: patch.setattr(
        configuration.RoundLog, name, property(make(getattr(configuration.RoundLog, name).fget))
    )


def _hasty(_: Any) -> Any:
    return lambda log: log.succeeded + log.failed > 0 or not log.total


def _timeless(clock: Any) -> Any:
    return lambda now, ask, child: (now.at, clock(now, ask, child)[1])


def _copied(patch: pytest.MonkeyPatch) -> None:
    _put(Ledger, "split", lambda split: lambda self, *a, **o: (self, split(self, *a, **o)[1]))(patch)
    patch.setattr(Ledger, "merge", lambda self, share, child: replace(self, settled=self.settled + child.settled))


def _forgetful(keep: Any) -> Any:
    def kept(compiled: Any, now: Configuration, number: int, child: Configuration, **options: Any) -> Any:
        if child.status == "finished" and not options.get("is_needed", True):
            child = replace(child, ledger=replace(child.ledger, settled=NOTHING))
        return keep(compiled, now, number, child, **options)

    return kept


def _flattering(keep: Any) -> Any:
    def kept(compiled: Any, now: Configuration, number: int, child: Configuration, **options: Any) -> Any:
        return keep(
            compiled, now, number, replace(child, landing=None, state="well") if child.landing else child, **options
        )

    return kept


def _merciful(close: Any) -> Any:
    def closed(running: Any, event: Any, end: Any, **options: Any) -> None:
        if end == "declined":
            running.book(asks.approve(running.compiled, running.now, event.ask, id=event.id, who=event.who))
        else:
            close(running, event, end, **options)

    return closed


def _widened(misfit: Any, **changes: Any) -> Any:
    def widened(running: Any, event: Any) -> Any:
        found = misfit(running, event)
        return None if found is not None and any(word in found.detail for word in changes["unless"]) else found

    return widened


def _flattering_at_first(patch: pytest.MonkeyPatch) -> None:
    # where parts begin, and nowhere else
    named = SimpleNamespace(keep=_flattering(asks.keep), approve=asks.approve, conclude=asks.conclude)
    patch.setattr(rounds, "asks", named)


def _all_over_again(self: Any, number: int) -> None:
    self.book(asks.conclude(self.compiled, self.now, number, "unneeded", ok=False, value=asks.UNNEEDED))


def _close_everything(close_visit: Any) -> Any:
    def closed(self: Any) -> None:
        log = self.visit.round
        for number in log.numbers if log else ():
            if not self.visit.asks[number].is_open:
                _all_over_again(self, number)
        close_visit(self)

    return closed


def _left_alone(close_visit: Any) -> Any:
    def closed(self: Any) -> None:
        if self.visit.round is not None:
            self.set_visit(round=None)
        close_visit(self)

    return closed


def _unasked(accept: Any) -> Any:
    def accepted(running: Any, reply: Any) -> Any:
        visit = running.visit
        running.set_visit(is_answered=True)
        found = accept(running, reply)
        if running.now.visit is not None and running.now.visit is visit:
            running.set_visit(is_answered=visit.is_answered)
        return found

    return accepted


PLANTED: dict[str, Planted] = {
    "money not merged": Planted(
        "T3", "was charged|are settled", _put(Ledger, "merge", lambda _: lambda self, share, child: self.release(share))
    ),
    "share copied": Planted("T3", "is reserved", _copied),
    "share too large": Planted(
        "T3",
        "may spend",
        _put(Ledger, "split", lambda split: lambda self, *a, **o: (split(self, *a, **o)[0], Ledger(self.limit))),
    ),
    "loser not charged": Planted("T3", "was charged", _put(asks, "keep", _forgetful)),
    "failed part called good": Planted("T5", "was landed", _put(asks, "keep", _flattering)),
    "round over too early": Planted(
        "T2",
        "before the round|is open",
        _in_all("is_over", _hasty),
    ),
    "race not over": Planted("T2", "is over, and goes on", _in_all("is_over", lambda _: lambda log: log.open == 0)),
    "must_ask dropped": Planted(
        "T1", "nothing that it must ask for", _put(attempts, "_accept", lambda accept: _unasked(accept))
    ),
    "approval skipped": Planted(
        "T1",
        "no human approved it",
        _put(rounds, "_begun", lambda begun: lambda *a: replace(begun(*a), is_gated=False)),
    ),
    "a no taken for approval": Planted("T1", "a human said no", _put(rounds, "_close", _merciful)),
    "asks not counted": Planted(
        "T2", "requests in", _put(rounds, "_misfit", lambda m: _widened(m, unless=("requests in this visit",)))
    ),
    "runs not counted": Planted(
        "T2", "requests for 'a'", _put(rounds, "_misfit", lambda m: _widened(m, unless=("would run",)))
    ),
    "anything may be asked": Planted(
        "T2",
        "requests for",
        _put(rounds, "_misfit", lambda m: _widened(m, unless=("is not declared", "would run", "requests in"))),
    ),
    "answered again": Planted(
        "T1",
        "has another answer|nothing that it must ask for",
        _put(course.Course, "close_visit", _close_everything),
    ),
    "parts left at the end": Planted("T3", "is reserved|is gone", _put(course.Course, "close_visit", _left_alone)),
    "part that lands as it begins called good": Planted("T5", "was landed", _flattering_at_first),
    "time of the run in a part": Planted("T4", "s in the part", _put(asks, "clock", _timeless)),
}
