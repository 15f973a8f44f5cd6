"""Traces: a path of a run as data, leg by leg, as exploration and witnesses show it.

A *leg* is one visit and the hop that ended it. Its inputs are those of a real run, except that fields which were not
looked into hold a placeholder; folding all of them through the kernel gives the trace again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ...define.states import EdgeKind
from ...kernel.inputs import Input
from ...kernel.reasons import LandingReason

HIDDEN = "?"
"""Stands for the value of a field that was not looked into."""


class Assumption(NamedTuple):
    """What a guard was taken to answer, because it reads a field that was not looked into."""

    guard: str
    answer: Literal["yes", "no", "raises"]

    def __str__(self) -> str:
        return {"yes": self.guard, "no": f"not {self.guard}", "raises": f"{self.guard} raises"}[self.answer]


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One visit, and the hop that ended it."""

    state: str
    hops: int
    """Those taken when it began."""
    inputs: tuple[Input, ...]
    """What the world did in it, the input that ended it last."""
    handoff: str | None
    """None: the run was landed."""
    kind: EdgeKind | Literal["landing"]
    target: str
    landing: LandingReason | None
    changes: Mapping[str, Any]
    """What was committed with the hop."""
    calls: tuple[int, ...]
    """Tokens that each call was charged."""
    reserved: int
    """Tokens held at most during the visit."""
    settled: int
    """Tokens the run had been charged when it ended."""
    cost: int
    """Micro-dollars the run had been charged when it ended."""
    assumed: tuple[Assumption, ...] = ()
    """How guards were taken to answer in this visit, the entry into the next one included."""

    def __str__(self) -> str:
        return f"{self.state} -{self.handoff or f'landing ({self.landing})'}-> {self.target}"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A path from a start: of a whole run, or up to where something was shown."""

    start: Mapping[str, Any]
    """The context it began with."""
    legs: tuple[Leg, ...]
    state: str
    """Where it ends."""
    inputs: tuple[Input, ...] = ()
    """What the world did in the visit that had not ended."""
    assumed: tuple[Assumption, ...] = ()
    """How guards were taken to answer at the start, and in the visit that had not ended."""
    settled: int = 0
    """Tokens charged, in the visit that had not ended too."""
    cost: int = 0
    """Micro-dollars charged, in the visit that had not ended too."""
    calls: int = 0
    """Requests made to models."""
    hidden: tuple[str, ...] = field(default=())
    """The fields that were not looked into; where they appear, they hold a placeholder, such as `HIDDEN`."""

    @property
    def hops(self) -> int:
        return len(self.legs)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """All that guards were taken to answer on it, in order, each once."""
        legs = [assumption for leg in self.legs for assumption in leg.assumed]
        return tuple(dict.fromkeys((*legs, *self.assumed)))

    @property
    def is_sure(self) -> bool:
        """Tell whether it hangs on no guard that was not looked into."""
        return not self.assumptions

    @property
    def path(self) -> tuple[str, ...]:
        """The states it passes through, both ends included."""
        return (*(leg.state for leg in self.legs), self.state)

    def __str__(self) -> str:
        first = self.legs[0].state if self.legs else self.state
        return first + "".join(str(leg).removeprefix(leg.state) for leg in self.legs)
