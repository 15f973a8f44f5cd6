"""Every run of a machine under a new version of it: `judge_all(old, new)` says which places would strand a run.

Breadth-first over the explorer's play of the old version, within visits too, each input stepped through the new one as
well. A place is told from another by all that decides how a run goes on in either version; no place is left out because
a run elsewhere can do more, for one that can do less may be the one that is stranded.

A machine inside is played by its summary, and its two versions are judged by themselves, to their ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from ...define.definition import Definition
from ...kernel.configuration import Configuration
from ...kernel.engine import CompiledMachine
from ...kernel.inputs import Input
from ...kernel.records import HandedOff
from ...kernel.renames import NO_RENAMES, Renames
from ...kernel.requests import RunPart
from ...limits import Limits
from ..explore.automata import BROKEN
from ..explore.play import Play, Position
from .contexts import fits, lost_at_start
from .doubts import doubts, landings, parts_of
from .joint import Both, Joint
from .kept import loosened, unpriced
from .standing import why_not
from .trail import Passed
from .verdicts import WORST, Judgement, Loss, Verdict, has_broken


def judge_all(
    old: CompiledMachine, new: CompiledMachine, *, renames: Renames = NO_RENAMES, max_places: int = 20_000
) -> Judgement:
    """Return what becomes of every run of a machine in its new version, wherever it may be.

    Runs keep the limits and prices of the old version. Nobody is stranded where a run ends. It is assumed that no agent
    has proposed a handoff, or asked for a tool, that only the new version has, and that nothing was redacted: `judge`
    looks at both.

    Args:
        old: what runs were started on.
        new: what they are to go on with.
        renames: what is called otherwise in the new version.
        max_places: where the search stops.

    Raises StepError: if no run of the old version can start.
    """
    return _Search(old, new.definition, old.limits, renames, max_places).judgement()


class _Place(NamedTuple):
    """A run somewhere, in both versions."""

    position: Position
    now: Configuration | None
    """In the new version; None: it is elsewhere."""
    written: frozenset[str]
    why: str | None
    """Why it is elsewhere in the new version, or why it is lost though it is not."""
    doubt: str | None
    node: int


class _Search:
    def __init__(
        self,
        old: CompiledMachine,
        new: Definition,
        new_limits: Limits,
        renames: Renames,
        room: int,
        *,
        is_inside: bool = False,
    ) -> None:
        self._old, self._new, self._renames, self._room = old, new, renames, room
        self._is_inside = is_inside
        limits = old.limits
        self._joint = Joint(old, new, renames, limits, new_limits)
        self._play = self._joint.play
        self._lost = lost_at_start(old.definition.context, new.context)
        self._unpriced = unpriced(old.definition, new, limits, renames)
        self._doubt = fits(old.definition.context, new.context) or (None if is_inside else loosened(new, limits))
        newer = Play(new, new_limits, {}, (), against="lean")
        # a run of a thread may be moved less than its limit
        may_run_out = self._play.may_run_out or newer.may_run_out or limits.has_thread
        versions = self._joint.old, self._joint.new, renames
        self._doubts = doubts(*versions, may_run_out=may_run_out)
        self._landings = landings(*versions, self._joint.alias, is_inside=is_inside)
        if is_inside and new_limits.deadline_s != limits.deadline_s:
            self._doubt = f"it has {new_limits.deadline_s:g} s now, and had {limits.deadline_s:g}"
        self._inside = dict(self._judged_inside())
        self._seen = set[Hashable]()
        self._ways: list[tuple[int, Input, str]] = []
        self._places = dict[Hashable, Verdict]()
        self._losses: dict[tuple[Verdict, str], tuple[int, int]] = {}
        self.steps, self.is_complete = 0, True

    def _judged_inside(self) -> Iterator[tuple[tuple[str, str], Judgement]]:
        """Yield what becomes of the machines inside, by state and part, of those that do not all continue."""
        for state, name, old, new in parts_of(self._old.definition, self._new, self._renames):
            if old is new:
                continue
            # its ledger is the share that the run keeps, whatever its own limit is now
            limits = new.limits.model_copy(update={"tokens": old.limits.tokens, "cost_usd": old.limits.cost_usd})
            found = _Search(CompiledMachine(old), new, limits, NO_RENAMES, self._room, is_inside=True).judgement()
            if not found.continues:
                yield (state, name), found

    def judgement(self) -> Judgement:
        """Look at every place, and return what was found."""
        layer = [place for start in self._play.starts() for place in self._step(None, start)]
        while layer and self.is_complete:
            layer = [
                after
                for place in layer
                if place.position.now.visit is not None
                for event in self._play.moves(place.position)
                for after in self._step(place, event)
            ]
        counts = Counter(self._places.values())
        losses = [self._loss(*key, *found) for key, found in self._losses.items()]
        return Judgement(
            places={verdict: counts[verdict] for verdict in WORST if counts[verdict]},
            losses=tuple(sorted(losses, key=lambda loss: (WORST.index(loss.verdict), len(loss.path)))),
            is_complete=self.is_complete,
            steps=self.steps,
        )

    def _step(self, source: _Place | None, event: Input) -> Iterator[_Place]:
        """Yield the places that are new of those that an input leads to."""
        if not self.is_complete:
            return
        position, now = (source.position, source.now) if source else (None, None)
        results = list(self._joint.take(position, now, event))
        self.steps += len(results)
        for each in results:
            # of two answers of a guard that nobody knows, one leaves the run where it is: it goes on so, in doubt
            is_open = each.is_assumed and any(_are_split(each, other) for other in results)
            if is_open and each.now is None:
                continue
            if (place := self._placed(source, event, each, is_open=is_open)) is not None:
                yield place

    def _written(self, source: _Place | None, each: Both) -> frozenset[str]:
        before = source.written if source else frozenset[str]()
        return before.union(*(r.written for r in each.moved.records if isinstance(r, HandedOff)))

    def _placed(self, source: _Place | None, event: Input, each: Both, *, is_open: bool) -> _Place | None:
        position, written = each.moved.position, self._written(source, each)
        is_over = position.now.status == "finished"
        if is_over and not self._is_inside:
            return None  # nobody is stranded there
        doubt = (source.doubt if source else self._doubt) or self._doubted(source, position, is_open=is_open)
        broken = None if doubt else self._broken(position)  # of a policy, on a way that nobody knows to be one
        why = (source.why if source else self._lost or self._unpriced) or each.why or broken
        verdict, told = self._verdict(position, written, why or each.held, doubt)
        now = position.now
        # without why: a place that is lost for two reasons is one place
        place = (
            *(self._play.key(position), now.hops, verdict, written),
            tuple(sorted(now.visits.items())) if not is_over else (),
        )
        key = place, told, doubt, each.now is None
        if key in self._seen:
            return None
        if len(self._seen) >= self._room or self.steps > self._room * 100:
            self.is_complete = False
            return None
        self._seen.add(key)
        self._ways.append((source.node if source else -1, event, now.state))
        node = len(self._ways) - 1
        self._places.setdefault(place, verdict)
        if verdict != "continues":
            first, places = self._losses.get((verdict, told), (node, 0))
            self._losses[verdict, told] = first, places + 1
        return _Place(position, None if why else each.now, written, why, doubt, node)

    def _broken(self, position: Position) -> str | None:
        for automaton, at in zip(self._play.automata, position.at, strict=True):
            if at == BROKEN:
                return has_broken(automaton.policy)
        return None

    def _doubted(self, source: _Place | None, position: Position, *, is_open: bool) -> str | None:
        if is_open:
            return "a guard of the new version reads what is not known of it"
        if source is not None and source.position.now.state in self._doubts:
            return self._doubts[source.position.now.state]
        if position.now.state in self._landings:
            return self._landings[position.now.state]
        run = source and self._part_of(source.position.now)
        return run and f"it has run {run[1]!r} in {run[0]!r}, of which not every run continues"

    def _part_of(self, now: Configuration) -> tuple[str, str] | None:
        """Return the state and the name of a part under way of which not every run continues."""
        for ask in () if now.visit is None else now.visit.asks.values():
            if ask.child is not None and isinstance(ask.request, RunPart):
                key = now.state, ask.request.part
                if key in self._inside:
                    return key
        return None

    def _verdict(
        self, position: Position, written: frozenset[str], why: str | None, doubt: str | None
    ) -> tuple[Verdict, str]:
        now = position.now
        if now.visit is None:
            return ("snapshot", why) if why else ("possible", doubt) if doubt else ("continues", "")
        if why:
            gone = self._gone(now, written, position)
            return ("stranded", gone) if gone else ("snapshot", why)
        part = self._part_of(now)
        if part is not None:
            worst = self._inside[part].worst
            told = "it is too large to be looked at whole" if worst is None else worst.why
            return ("possible" if worst is None else worst.verdict), f"in part '{part[0]}.{part[1]}': {told}"
        return ("possible", doubt) if doubt else ("continues", "")

    def _gone(self, now: Configuration, written: frozenset[str], position: Position) -> str | None:
        if self._lost is not None and self._lost.startswith("its context does not fit"):
            return self._lost
        trail = {now.run_id: Passed(written)}
        return why_not(now, trail, self._new, self._renames, is_explored=True) or self._broken(position)

    def _loss(self, verdict: Verdict, why: str, node: int, places: int) -> Loss:
        steps: list[tuple[Input, str]] = []
        while node >= 0:
            node, event, stood = self._ways[node]
            steps.append((event, stood))
        steps.reverse()
        path = [stood for number, (_, stood) in enumerate(steps) if not number or stood != steps[number - 1][1]]
        return Loss(
            verdict=verdict,
            why=why,
            state=path[-1],
            path=tuple(path),
            inputs=tuple(event for event, _ in steps),
            places=places,
        )


def _are_split(one: Both, other: Both) -> bool:
    """Return whether two results are the same in the old version, and in one of them alone in the new one too."""
    return (one.now is None) != (other.now is None) and one.moved.position.now == other.moved.position.now
