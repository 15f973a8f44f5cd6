"""Renames: a journal in the words of another version of its machine, in which states or handoffs bear other names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from . import inputs
from .effects import Path
from .inputs import Input
from .requests import AskHuman, Request


class Renames(Struct, frozen=True, omit_defaults=True):
    """New names by old ones, for all machines of a tree; what is not named keeps its name."""

    states: Mapping[str, str] = {}
    handoffs: Mapping[str, str] = {}

    @property
    def is_any(self) -> bool:
        """Whether anything bears another name."""
        return bool(self.states or self.handoffs)

    def state(self, name: str) -> str:
        """Return what a state is called now."""
        return self.states.get(name, name)

    def handoff(self, name: str) -> str:
        """Return what a handoff is called now."""
        return self.handoffs.get(name, name)

    def place(self, place: str) -> str:
        """Return how a place in the tree is named now, such as `fly.fares.find`: a state, its part, and a state in it."""
        # states and parts take turns
        return ".".join(name if turn % 2 else self.state(name) for turn, name in enumerate(place.split(".")))


SAME_NAMES = Renames()
"""Everything keeps its name."""


def renamed(journal: Sequence[Input], renames: Renames) -> tuple[Input, ...]:
    """Return a journal, or the beginning of one, in the words of a version with other names."""
    if not renames.is_any:
        return tuple(journal)
    chooses: set[Path] = set()
    return tuple(_renamed(event, renames, chooses) for event in journal)


def _renamed(event: Input, renames: Renames, chooses: set[Path]) -> Input:
    """Return an input in other words.

    Args:
        chooses: the machines whose human was asked last for a handoff; kept up to date.
    """
    match event:
        case inputs.Started():
            return _started(event, renames)
        case inputs.Replied(handoff=str(name)):
            return replace(event, handoff=renames.handoff(name))
        case inputs.Overspent():
            return replace(event, source=renames.state(event.source))
        case inputs.Asked():
            (chooses.add if any(map(_choice, event.requests)) else chooses.discard)(event.path)
            return replace(event, requests=tuple(_request(each, renames) for each in event.requests))
        # a tool may give what looks the same, and it is nobody's handoff
        case inputs.Answered(value={"handoff": str(name), **others}) if event.path in chooses:
            return replace(event, value={"handoff": renames.handoff(name), **others})
    return event


def _started(event: inputs.Started, renames: Renames) -> Input:
    return replace(
        event,
        state=None if event.state is None else renames.state(event.state),
        shut=tuple(map(renames.state, event.shut)),
        prices={renames.place(place): rate for place, rate in event.prices.items()},
        models={renames.place(place): name for place, name in event.models.items()},
        shares={renames.place(place): share for place, share in event.shares.items()},
    )


def _choice(request: Request) -> Mapping[str, Any] | None:
    """Return the part of a human's form in which a handoff is chosen; None if there is none."""
    properties = request.form.get("properties", {}) if isinstance(request, AskHuman) else {}
    choice: Mapping[str, Any] | None = properties.get("handoff")
    return choice


def _request(request: Request, renames: Renames) -> Request:
    choice = _choice(request)
    if choice is None:
        return request
    assert isinstance(request, AskHuman)
    chosen = {**choice, "enum": [renames.handoff(name) for name in choice.get("enum", ())]}
    if "description" in choice:  # `yes: pay; no: decline`
        meant = re.compile(r"(^|; )([^:; ]+)(?=: )")
        chosen["description"] = meant.sub(lambda found: found[1] + renames.handoff(found[2]), choice["description"])
    properties = {**request.form["properties"], "handoff": chosen}
    return replace(request, form={**request.form, "properties": properties})
