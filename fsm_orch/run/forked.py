"""A fork under way: in the place of effects it is given what they came to in the runs that it comes from.

What was recorded is given, and not begun. Any other effect is not begun either, unless the fork may have effects. So
nothing is done twice in the world, and nothing that nobody asked for. Models are called, and humans are asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from ..clock import Clock
from ..kernel import inputs
from ..kernel.due import due
from ..kernel.effects import AskHuman, Effect, UseTool
from ..kernel.engine import CompiledMachine
from ..kernel.inputs import Input
from ..store.base import Store
from ..store.values import Origin
from .drive import Perform
from .lineage import Lineage, lineage
from .loading import listed, not_known
from .recorded import Given, Outcome, given_to, recorded
from .work import Doing
from .writer import Run


async def maker(
    store: Store,
    machines: Sequence[CompiledMachine],
    run_id: str,
    origin: Origin | None,
    *,
    has_effects: bool,
    wall: Clock,
) -> Callable[..., ForkedRun] | None:
    """Return what makes a stored run that is a fork; None: it is none.

    Args:
        machines: that of the run first, then other versions that the runs may have been made on that it comes from.
        origin: of a fork; None: it is none.
        has_effects: whether a fork may begin what is not recorded, even if it was not made so.
        wall: seconds of the epoch.

    Raises StartError: if it had ended, and was forgotten after it was claimed.
    Raises what the store raises.
    """
    if origin is None:
        return None
    row = await listed(store, run_id)
    if row is None:
        raise not_known(run_id)
    known = await lineage(store, machines, row)
    return partial(ForkedRun, lineage=known, has_effects=has_effects, made_with_effects=origin.effects, wall=wall)


class ForkedRun(Run):
    """The single writer of a run that is a fork.

    Args:
        lineage: what is recorded in the runs that it comes from.
        has_effects: whether it may begin what none of them has recorded, or what they did is no longer known.
        made_with_effects: whether it may begin what none of them has recorded, as long as what they did is known.
        wall: seconds of the epoch, for what expires.
        options: as `Run` takes them.
    """

    def __init__(
        self, *args: Any, lineage: Lineage, has_effects: bool, made_with_effects: bool, wall: Clock, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._lineage, self._wall = lineage, wall
        self._has_effects = has_effects or (made_with_effects and lineage.lost is None)
        self._counts = recorded(self.compiled, self.journal).counts()
        self._withheld: dict[Effect, Given] = {}

    def is_recorded(self, effect: Effect) -> bool:
        """Return whether work that is due is an effect of which is known what it came to, so that it never begins."""
        given = given_to(self.compiled, self.now, effect)
        return given is not None and self._recorded(given) is not None

    def performing(self, perform: Perform) -> Perform:
        """Return what begins a piece of work of this run.

        Args:
            perform: begins one in the world.
        """

        def instead(effect: Effect) -> Doing | None:
            given = given_to(self.compiled, self.now, effect)
            outcome = None if given is None else self._recorded(given)
            if given is None or (outcome is None and self._has_effects):
                return perform(effect)
            self.begun.discard(effect)
            if outcome is None:
                self._withhold(effect, given)
            else:
                self._counts[given] += 1
                self.fold(self._again(outcome, effect))
            return None

        return instead

    def _recorded(self, given: Given) -> Outcome | None:
        """Return what an effect that is next came to; None if none of the runs knows it."""
        return self._lineage.outcome(given, self._counts[given])

    def _again(self, outcome: Outcome, effect: Effect) -> Input:
        """Return an outcome as an input of this run, for the machine and at the time that it is now."""
        at, path = self.elapsed(), effect.path
        level = self.levels(path)[-1]
        if isinstance(outcome, inputs.Answered):
            assert isinstance(effect, UseTool)
            return replace(outcome, ask=effect.ask, id=level.now.key_of(effect.ask), at=at, path=path)
        if isinstance(outcome, inputs.Asked) and outcome.expires_at is not None:
            expires_s = level.compiled.states[effect.state].state.expires_s
            until = None if expires_s is None else self._wall() + expires_s
            return replace(outcome, expires_at=until, at=at, path=path)
        return replace(outcome, at=at, path=path)

    def _withhold(self, effect: Effect, given: Given) -> None:
        """Leave an effect alone. Once nothing else is due but what humans are asked, nothing is begun any more."""
        self._withheld[effect] = given
        owed = [each for each in due(self.now) if not isinstance(each, AskHuman)]
        if all(each in self._withheld for each in owed):
            self.is_draining = True
            self.stopped_by = self._lineage.withheld(self.now.run_id, [self._withheld[each] for each in owed])
