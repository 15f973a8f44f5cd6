"""Traces: a path of a run as data, leg by leg, as an exploration shows it.

A *leg* is one visit and the hop that ended it. Its inputs are those of a real run, except that opaque fields hold a
placeholder. Folded through the kernel, they give the trace again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ...define.states import EdgeKind
from ...kernel.inputs import Input
from ...kernel.reasons import LandingReason

PLACEHOLDER = "?"
"""Stands for the value of an opaque field whose values cannot be listed."""


class Assumption(NamedTuple):
    """The answer on which a path depends, of a guard that reads an opaque field."""

    guard: str
    answer: Literal["yes", "no", "raises"]

    def __str__(self) -> str:
        return {"yes": self.guard, "no": f"not {self.guard}", "raises": f"{self.guard} raises"}[self.answer]


@dataclass(frozen=True, kw_only=True)
class Leg:
    """One visit, and the hop that ended it."""

    state: str
    hops: int
    """How many hops had been taken when it began."""
    inputs: tuple[Input, ...]
    """The inputs that came in the visit; the last one ended it."""
    handoff: str | None
    """The handoff or failure edge that was taken; None: the run was landed."""
    kind: EdgeKind | Literal["landing"]
    target: str
    """The state or final state that was entered."""
    landing: LandingReason | None
    """Why the run was landed; None if it was not."""
    changes: Mapping[str, Any]
    """The fields that were committed with the hop, with their values."""
    calls: tuple[int, ...]
    """The tokens that each call was charged, in order."""
    reserved: int
    """The most tokens that were reserved at one time during the visit."""
    settled: int
    """The tokens that the run had been charged when the visit ended."""
    cost: int
    """The micro-dollars that the run had been charged when the visit ended."""
    assumed: tuple[Assumption, ...] = ()
    """The answers of opaque guards on which this visit depends, and the entry into the next one."""
    uses: tuple[str, ...] = ()
    """The tools that were used in the visit, in order."""
    declines: tuple[str, ...] = ()
    """The tools of which a human said in the visit that they may not be used."""
    proposer: str | None = None
    """The function that has to propose the handoff, since guards alone would take another; None if there is none."""

    @property
    def proposal(self) -> str:
        """What the leg hangs on, if its function has to propose the handoff; else empty."""
        return "" if self.proposer is None else f"`{self.proposer}` proposes `{self.handoff}`"

    def __str__(self) -> str:
        return f"{self.state} -{self.handoff or f'landing ({self.landing})'}-> {self.target}"


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A path from the start of a run to its end, or to the step at which something was seen."""

    start: Mapping[str, Any]
    """The fields of the context that the run began with."""
    legs: tuple[Leg, ...]
    """The visits that ended, each with its hop."""
    state: str
    """The state or final state in which the path ends."""
    inputs: tuple[Input, ...] = ()
    """The inputs that came in the last visit, which had not ended."""
    assumed: tuple[Assumption, ...] = ()
    """The answers of opaque guards on which the start depends, if there are no legs, and the last visit."""
    uses: tuple[str, ...] = ()
    """The tools that were used in the last visit, which had not ended."""
    declines: tuple[str, ...] = ()
    """The tools that were declined in it."""
    settled: int = 0
    """The tokens that the run had been charged at the end of the path."""
    cost: int = 0
    """The micro-dollars that the run had been charged at the end of the path."""
    calls: int = 0
    """The number of requests to models."""
    opaque: tuple[str, ...] = field(default=())
    """The opaque fields: where they appear they hold a placeholder, which is not to be taken for their value."""

    @property
    def hops(self) -> int:
        """The number of hops that were taken."""
        return len(self.legs)

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """The answers of opaque guards on which the path depends, in order, each once."""
        legs = [assumption for leg in self.legs for assumption in leg.assumed]
        return tuple(dict.fromkeys((*legs, *self.assumed)))

    @property
    def proposals(self) -> tuple[str, ...]:
        """What functions have to propose on it, in order, each once: by guards alone they would go elsewhere."""
        return tuple(dict.fromkeys(leg.proposal for leg in self.legs if leg.proposal))

    @property
    def is_sure(self) -> bool:
        """Whether the path depends on no opaque guard."""
        return not self.assumptions

    @property
    def path(self) -> tuple[str, ...]:
        """The names of the states that it passes through, both ends included."""
        return (*(leg.state for leg in self.legs), self.state)

    def __str__(self) -> str:
        first = self.legs[0].state if self.legs else self.state
        used = f" (uses {', '.join(self.uses)})" if self.uses else ""
        return first + "".join(str(leg).removeprefix(leg.state) for leg in self.legs) + used
