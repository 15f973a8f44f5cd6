"""What the theorems say of rounds: what may be asked for, when a round is over, what its answers are, and its time.

Said from the design and checked after one step, without any rule of the kernel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from ...amounts import NOTHING, Amount
from ...define.agent_spec import AgentSpec
from ...kernel.configuration import Ask, Configuration, RoundLog, VisitLog
from ...kernel.inputs import Answered, Input
from ...kernel.records import Approved, HandedOff, Record
from ...kernel.requests import AskHuman, RunPart, UseTool
from .breach import Breach

_MOMENT_S = 1e-6
"""Times are sums of floats, which may differ in their last digits."""


def asking(
    specs: Mapping[str, AgentSpec],
    exits: Collection[tuple[str, str]],
    before: Configuration | None,
    event: Input,
    made: tuple[Record, ...],
    after: Configuration,
) -> Iterator[Breach]:
    """Yield the theorems that a step broke in what was asked for, and in what came of it.

    Args:
        specs: the agents, by state.
        exits: every state with the names of its handoffs, failure edges left out.
        made: the records of the machine itself.
    """
    was, visit = before.visit if before else None, after.visit
    for record in made:
        if isinstance(record, Approved) and not _is_approval(event, record.ask):
            yield Breach("T1", f"ask {record.ask} is approved, and a human said no")
    if before is not None and was is not None:
        yield from _must_ask(specs[before.state], exits, before, was, made)
    if visit is None or not visit.asks:
        return
    spec = specs[after.state]
    yield from _declared(spec, after.state, visit)
    yield from _shared(visit)
    if before is None or was is None or before.hops != after.hops:
        was = VisitLog(since=visit.since, grant=NOTHING)  # as if nothing had been asked for yet
    yield from _approved(spec, was, made, visit)
    yield from _final(was, visit)
    yield from _over(was, visit)


def shares(visit: VisitLog) -> Amount:
    """Return what the parts that run hold together."""
    return sum((ask.share for ask in visit.asks.values() if ask.child is not None), NOTHING) if visit.asks else NOTHING


def _must_ask(
    spec: AgentSpec,
    exits: Collection[tuple[str, str]],
    before: Configuration,
    was: VisitLog,
    made: tuple[Record, ...],
) -> Iterator[Breach]:
    """T1: where something must be asked for, no handoff is taken before some of it was answered."""
    is_left = any(isinstance(record, HandedOff) and (before.state, record.handoff) in exits for record in made)
    # a map that had nothing to ask for has no ask to show
    is_answered = any(ask.end not in (None, "unneeded") for ask in was.asks.values())
    if is_left and spec.must_ask and not (is_answered or (spec.kind == "map" and was.is_answered)):
        yield Breach("T1", f"{before.state!r} was left though nothing that it must ask for was answered")


def _declared(spec: AgentSpec, state: str, visit: VisitLog) -> Iterator[Breach]:
    """T2: a visit asks for what is declared, and no more often."""
    if len(visit.asks) > spec.asks:
        yield Breach("T2", f"{len(visit.asks)} requests in {state!r}, which declares {spec.asks}")
    names = Counter(_name(ask) for ask in visit.asks.values())
    most = {part.name: part.most for part in spec.parts} | {tool.name: spec.asks for tool in spec.tools}
    most |= {"a human": spec.asks} if spec.asks_human else {}
    for name, count in names.items():
        if count > most.get(name, 0):
            yield Breach("T2", f"{count} requests for {name!r} in {state!r}, which declares {most.get(name, 0)}")


def _name(ask: Ask) -> str:
    match ask.request:
        case RunPart(part=name) | UseTool(name=name):
            return name
        case AskHuman():
            return "a human"


def _shared(visit: VisitLog) -> Iterator[Breach]:
    """T3 and T2 of the parts: each has its share and no more, and lives as long as its round."""
    for number, ask in visit.asks.items():
        if ask.child is None:
            if ask.is_open and isinstance(ask.request, RunPart):
                yield Breach("T2", f"nothing runs for ask {number}, and its round does not know")
            continue
        limit = ask.child.ledger.limit
        if limit.tokens != ask.share.tokens or limit.cost not in (None, ask.share.cost):
            yield Breach("T3", f"the part of ask {number} may spend {limit}, and was moved {ask.share}")
        if ask.child.status == "finished" or not ask.is_open:
            yield Breach("T2", f"the part of ask {number} has ended, and its round does not know")


def _approved(spec: AgentSpec, was: VisitLog, made: tuple[Record, ...], visit: VisitLog) -> Iterator[Breach]:
    """T1: a tool that needs approval is used only after a human has approved it."""
    gated = {tool.name for tool in spec.tools if tool.approval}
    approved = {record.ask for record in made if isinstance(record, Approved)}
    for number, ask in visit.asks.items():
        if not isinstance(ask.request, UseTool) or ask.request.name not in gated or number in approved:
            continue
        earlier = was.asks.get(number)
        if (earlier is None or earlier.is_gated) and not ask.is_gated and ask.end in (None, "answered"):
            yield Breach("T1", f"the tool of ask {number} is due or was used, and no human approved it")


def _is_approval(event: Input, ask: int) -> bool:
    return isinstance(event, Answered) and event.ask == ask and event.ok and event.value is True


def _final(was: VisitLog, visit: VisitLog) -> Iterator[Breach]:
    """T1: what was answered stays as it was answered; what was asked stays asked."""
    for number, ask in was.asks.items():
        if not ask.is_open and visit.asks.get(number) != ask:
            yield Breach("T1", f"ask {number} was answered, and has another answer now")
        elif number not in visit.asks:
            yield Breach("T1", f"ask {number} was asked, and is forgotten")


def _over(was: VisitLog, visit: VisitLog) -> Iterator[Breach]:
    """T2: the agent acts again when its round is over, neither before nor after."""
    if visit.round is not None:
        if _is_over(visit.round, visit):
            yield Breach("T2", f"the round of asks {_listed(visit.round)} is over, and goes on")
        return
    if any(ask.is_open for ask in visit.asks.values()):
        yield Breach("T2", "the agent acts again, and something that it asked for is open")
    # those that were open and are not needed: enough of a race, or enough was no longer possible
    if was.round is not None and not _is_over(was.round, visit):
        yield Breach("T2", f"the agent acts again before the round of asks {_listed(was.round)} was over")


def _listed(log: RoundLog) -> list[int]:
    return [*range(log.first, log.first + log.total)]


def _is_over(log: RoundLog, visit: VisitLog) -> bool:
    """Return whether a round is over, counted once more from its asks."""
    asks = [visit.asks[number] for number in _listed(log)]
    succeeded = sum(ask.ok for ask in asks if not ask.is_open)
    unneeded = sum(ask.end == "unneeded" for ask in asks)
    still_open = sum(ask.is_open for ask in asks) + unneeded
    failed = log.total - succeeded - still_open
    return still_open == 0 or (log.is_race and succeeded >= log.need) or log.total - failed < log.need


def clocks(before: Configuration | None, event: Input, after: Configuration) -> Iterator[Breach]:
    """T4: a part is as far behind as it was when it began, and does not age while it waits for a human."""
    if before is not None and after.at < before.at:
        yield Breach("T4", f"time ran backwards, from {before.at} to {after.at}")
    if after.visit is None:
        return
    was = before.visit.asks if before and before.visit and before.hops == after.hops else {}
    for number, ask in after.visit.asks.items():
        child = ask.child
        if child is None or event.path[: len(child.path)] != child.path:
            continue  # what is not for a part leaves its time as it was
        earlier = was.get(number)
        if earlier is None or earlier.child is None:
            continue
        began = earlier.child.at
        expected = began if _waits(earlier.child) else max(began, after.at - earlier.since)
        if abs(child.at - expected) > _MOMENT_S:
            yield Breach("T4", f"it is {child.at} s in the part of ask {number}, and should be {expected}")


def _waits(now: Configuration) -> bool:
    """Return whether all that is due in a machine is a human's."""
    if now.visit is None or now.visit.round is None:
        return False
    asks = [ask for ask in now.visit.asks.values() if ask.is_open]
    return all(ask.is_asking_human or (ask.child is not None and _waits(ask.child)) for ask in asks)
