"""How much a runner has to do just now: what no record says, since it is not about one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from ..define.definition import Definition


class GateLoad(Struct, frozen=True):
    """How it stands at one gate."""

    is_shut: bool
    """Whether nobody may enter now."""
    waiting: int
    """Attempts that wait for a place in this process; 0 where it cannot be told."""


class Load(Struct, frozen=True):
    """How much a runner has to do now, in this process."""

    running: int
    """Runs that are under way: driven, or on the way in or out."""
    waiting: int
    """Runs that wait to be admitted, by all runners that have the same `Admission`; 0 without one."""
    gates: Mapping[str, GateLoad]
    """By the place of the state before which the gate stands."""


class Loaded(Protocol):
    """Whoever has a load, as a runner does."""

    @property
    def definition(self) -> Definition:
        """Its machine."""
        ...

    @property
    def load(self) -> Load:
        """How much it has to do now. To look costs little, and changes nothing."""
        ...
