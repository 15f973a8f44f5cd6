"""Gates that a tape shuts: before each agent of a machine stands one, and after each attempt another may be shut."""

from __future__ import annotations

from ..define.definition import Definition
from ..define.states import State
from ..errors import CallDenied
from ..resilience.base import Came
from ..resilience.gate import Gate
from .tape import Tape


def gates_of(definition: Definition, tape: Tape) -> dict[State, Gate]:
    """Return a gate for each state in the tree of a machine; or none, mostly, as of a runner that has none.

    Args:
        definition: of the machine.
        tape: decides whether there are gates, which one is shut, and whom the others turn away.
    """
    if not tape.chance(3):
        return {}
    states = tuple(dict.fromkeys(definition.places.values()))
    which = _Which(tape, states)
    return {state: Gate(breaker=_Breaker(which, state)) for state in states}


class _Which:
    """Which state is shut; one at most, and it is drawn anew after each attempt."""

    def __init__(self, tape: Tape, states: tuple[State, ...]) -> None:
        self.tape, self._options = tape, (None, *states)
        self.shut: State | None = None
        self.draw()

    def draw(self) -> None:
        self.shut = self.tape.pick(self._options[:256])


class _Breaker:
    """A breaker that opens and closes by chance."""

    def __init__(self, which: _Which, state: State) -> None:
        self._which, self._state = which, state

    @property
    def is_shut(self) -> bool:
        return self._which.shut is self._state

    async def enter(self) -> int:
        """Let an attempt in, or turn it away.

        Raises CallDenied: as the tape decides.
        """
        if self.is_shut or self._which.tape.chance(20):
            self._which.draw()
            raise CallDenied("shut: it is not to be entered now")
        return 0

    async def leave(self, number: int, came: Came) -> None:  # noqa: ARG002 - as breakers are told
        """Have another be shut."""
        self._which.draw()
