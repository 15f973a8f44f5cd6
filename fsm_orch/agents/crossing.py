"""What crosses between a machine and one that runs inside it: fields that are given to it, and fields taken from it.

Nothing else does: no messages, and no dependencies but the run's own. Fields of one name cross by it; `give` and `take`
name those that differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..define.changes import journaled, validated
from ..define.context import Context, FieldRef, field_refs, given_fields
from ..define.definition import Definition
from ..define.machine import is_machine
from ..define.parts import Part
from ..define.wording import kind_of
from ..define.wrapped import Work, in_state, name_of_work, owner_of, wrapped
from ..errors import PartFailed
from ..kernel.configuration import Ask
from ..kernel.requests import RunPart
from .base import Visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """A machine that runs inside another, and what crosses between them."""

    definition: Definition
    name: str
    """What it is called, if nobody says otherwise."""
    give: Mapping[str, FieldRef] = field(default_factory=dict)
    """By its own field, the field around it that it is given."""
    take: Mapping[str, str] = field(default_factory=dict)
    """By the field around it, its own that is taken."""
    around: type[Context]
    """The context of the machine around it, as far as is known."""
    ends: Mapping[Any, Any] = field(default_factory=dict)

    def part(self, name: str, *, most: int = 1) -> Part:
        """Return it as a part of that name."""
        return Part(name=name, definition=self.definition, most=most, given=self.give, taken=self.take, ends=self.ends)

    @property
    def reads(self) -> tuple[FieldRef, ...]:
        """The fields around it that it is given, each once."""
        return tuple(dict.fromkeys(self.give.values()))

    @property
    def writes(self) -> tuple[FieldRef, ...]:
        """The fields around it that are taken from it."""
        return tuple(FieldRef(self.around, name) for name in self.take)

    @property
    def canonical(self) -> dict[str, Any]:
        """What crosses under another name, as JSON."""
        give = {own: ref.name for own, ref in self.give.items() if own != ref.name}
        take = {name: own for name, own in self.take.items() if own != name}
        return {"give": give, "take": take}


def of_machine(machine: Any, *, reads: object, writes: object, give: object, take: object, ends: object) -> Crossing:
    """Return how a machine runs inside another.

    Raises TypeError: if it is no machine.
    Raises ContextError: if something else than fields is given or taken.
    """
    if not is_machine(machine):
        raise TypeError(f"Nested takes the class of a machine, not {kind_of(machine)}")
    definition = machine.definition
    given, taken = by_name(give, "give"), _by_ref(take, "take")
    named, written = None if reads is None else field_refs(reads), field_refs(writes)
    refs = (*(named or ()), *written, *taken, *given.values())
    around = owner_of(refs) if refs else definition.context
    if named is None:
        known = around.__pydantic_fields__
        needed = [name for name in definition.context.__pydantic_fields__ if name in given_fields(definition.context)]
        # what has a default and is not known around it is left to its default
        named = tuple(FieldRef(around, name) for name in needed if name in known or _is_required(definition, name))
    return Crossing(
        definition=definition,
        name=definition.name,
        give={**{ref.name: ref for ref in named if ref.name not in given}, **given},
        take={**{ref.name: ref.name for ref in written}, **{ref.name: own for ref, own in taken.items()}},
        around=around,
        ends=mapping(ends, "ends"),
    )


def called(work: Work) -> str:
    """Return what a branch is called if nobody says: like its function, or the fields that it writes.

    Raises TypeError: if it is a machine, of which nobody knows what is to be taken.
    """
    if is_machine(work):
        named = work.__name__
        raise TypeError(f"say what is taken from {named}: Nested({named}, writes=...), and () if nothing is")
    return name_of_work(in_state(work))


def of_work(work: Work, name: str) -> Crossing:
    """Return how an agent, a function or a state runs as a machine of one state, which has the name."""
    state = in_state(work)
    definition = wrapped(state, name)
    around, spec = definition.context.__mro__[1], state.spec
    required = [field for field in definition.context.__pydantic_fields__ if field in spec.read_names]
    required += [f for f in definition.context.__pydantic_fields__ if f not in required and _is_required(definition, f)]
    return Crossing(
        definition=definition,
        name=name,
        give={field: FieldRef(around, field) for field in required},
        take={ref.name: ref.name for ref in spec.writes},
        around=around,
    )


def _is_required(definition: Definition, name: str) -> bool:
    return definition.context.__pydantic_fields__[name].is_required()


def mapping(given: object, word: str) -> dict[Any, Any]:
    """Return what a user gives as pairs.

    Raises TypeError: if it is no mapping.
    """
    if not isinstance(given, Mapping):
        raise TypeError(f"{word}= takes a mapping, not {kind_of(given)}: {word}={{one: other}}")
    return dict(given)


def by_name(given: object, word: str) -> dict[str, FieldRef]:
    """Return what a user gives, field by field: by the name of one, the other.

    Raises TypeError: if it is no mapping.
    Raises ContextError: if it holds something else than fields.
    """
    pairs = mapping(given, word)
    return dict(zip((ref.name for ref in field_refs(pairs)), field_refs(pairs.values()), strict=True))


def _by_ref(given: object, word: str) -> dict[FieldRef, str]:
    pairs = mapping(given, word)
    return dict(zip(field_refs(pairs), (ref.name for ref in field_refs(pairs.values())), strict=True))


def given_from(visit: Visit[Any, Any], refs: Iterable[FieldRef]) -> dict[str, Any]:
    """Return fields of the context of a visit as JSON, by name."""
    # a context made of these alone: the view that an agent has shows nothing else, and JSON is its fields' to write
    names = dict.fromkeys(ref.name for ref in refs)
    held = {name: getattr(visit.context, name) for name in names}
    return journaled(visit.context.__class__.model_construct(**held), names)


def request(part: Part, held: Mapping[str, Any]) -> RunPart:
    """Return the request for a run of a part.

    Args:
        held: fields of the machine around it, as JSON.
    """
    return RunPart(part=part.name, context={own: held[ref.name] for own, ref in part.given.items()})


def taken_from(part: Part, ask: Ask) -> dict[str, Any]:
    """Return what is taken from a part that ended well, as JSON, by the field around it."""
    context = ask.value["context"]
    return {name: context[own] for name, own in part.taken.items()}


def read_from(part: Part, ask: Ask, own: str) -> Any:
    """Return the value of one field of a part that ended well."""
    return getattr(validated(part.definition.context, ask.value["context"]), own)


def failed(part: Part, ask: Ask) -> PartFailed:
    """Return the error that says how a part failed that was needed."""
    if not isinstance(ask.value, Mapping):
        return PartFailed(f"{part.name!r} did not end: {ask.value}")
    landing, state = ask.value.get("landing"), ask.value.get("state")
    return PartFailed(f"{part.name!r} {f'was landed ({landing})' if landing else 'ended'} in {state!r}")
