"""What an agent may ask for: parts, which are machines that visits run inside them, and tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..amounts import Amount
from .context import FieldRef
from .wording import kind_of
from .worst import share_of

USE, USE_ALL = "use", "use_all"
"""The keys by which the reply of a model asks for tools: for one, or for several at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A machine that visits of a state may run inside them.

    Raises ValueError: if `name` is no identifier, `most` is below 1, or `item` is not given anything.
    Raises TypeError: if `most` is no whole number.
    """

    name: str
    definition: Any
    """Its `Definition`; not typed as one, since that is made of states, and these of specs such as this is in."""
    most: int = 1
    """How often one visit runs it at most."""
    given: Mapping[str, FieldRef] = field(default_factory=dict)
    """What it is started with: each of its fields, and the field of the machine around it that it is given."""
    item: str | None = None
    """Of a map: the one of its own fields that is given an item of the field around it, and not all of that field."""
    taken: Mapping[str, str] = field(default_factory=dict)
    """What is taken from it when it has ended well: each field of the machine around it, and the field of its own."""
    ends: Mapping[Any, Any] = field(default_factory=dict)
    """Where the machine around it goes from each good end; empty: the end makes no difference."""
    share: Amount = field(init=False)
    """The tokens that are moved to each run of it: its worst case, or its limit if that is less. What it may cost
    besides depends on prices, which a definition does not know."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueError(f"a part is named by an identifier, such as 'fares', not {self.name!r}")
        if type(self.most) is not int:  # True would be 1, and of 2.5 runs nobody could say how many they are
            raise TypeError(f"part {self.name!r} may run a whole number of times, not {kind_of(self.most)}")
        if self.most < 1:
            raise ValueError(f"part {self.name!r} may run {self.most} times: give 1 or more, or leave it out")
        if self.item is not None and self.item not in self.given:
            raise ValueError(
                f"part {self.name!r} is given no {self.item!r}, which is to be its item: name it in given="
            )
        object.__setattr__(self, "share", share_of(self.definition))


@dataclass(frozen=True, kw_only=True, slots=True)
class Join:
    """How branches that run at once come together."""

    need: int
    """How many must end well."""
    is_race: bool = False
    """Whether the others are ended as soon as they have."""
    merged: frozenset[str] = frozenset()
    """Fields that several branches write, and that a function makes of all their values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolSpec:
    """A tool as a definition sees it."""

    name: str
    approval: bool = False
    """Whether a human must approve each use of it."""
    repeatable: bool = False
    """Whether it may be used again, under the same key, when nobody knows whether it was."""
    timeout_s: float | None = None
    """Seconds that one use may take; None: as long as the visit has."""
    deps: object = None
    """The type of dependencies that it is annotated for; None if it does not say."""
