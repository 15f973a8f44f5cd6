"""What a journal has recorded of effects: what code and tools came to, by what they were given.

An *effect* is what code of the user's may do in the world: a code state acts, or a tool is used. It is known by its
place in the tree of machines, by the values of the fields that its state reads, by what has come of all that was asked
for before, such as the answer of a human, and, of a tool, by its arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct
from msgspec.json import Encoder

from ..define.changes import journaled
from ..define.context import Context
from ..kernel import inputs
from ..kernel.codec import to_json
from ..kernel.configuration import Configuration
from ..kernel.effects import Act, Effect, UseTool
from ..kernel.engine import CompiledMachine, CompiledState
from ..kernel.inputs import Input
from ..kernel.requests import UseTool as Request
from ..kernel.step import step
from ..kernel.tree import Level, levels, machine_at
from ..messages import REDACTED

_ENCODED = Encoder(order="deterministic").encode

Outcome = inputs.Replied | inputs.Failed | inputs.Asked | inputs.Answered
"""What an effect came to; a failure is one, since what it did before that is done."""


class Given(NamedTuple):
    """What an effect is given, by which it is known again."""

    place: str
    """Its state, `fly.fares.find` inside parts."""
    fields: tuple[str, ...]
    """The names of the fields that its state reads."""
    values: bytes
    """Of these fields, as JSON."""
    tool: str | None = None
    """None: the agent of the state acts."""
    arguments: bytes = b""
    """Of the tool, as JSON."""
    results: bytes = b""
    """What has come of what its agent had asked for in the visit, and who answered, as JSON; empty: nothing was."""


class Recorded(Struct, frozen=True):
    """What the effects of a run came to."""

    outcomes: Mapping[Given, tuple[Outcome, ...]]
    """By what they were given, in the order of the journal."""

    def counts(self) -> Counter[Given]:
        """Return how often each was given."""
        return Counter({given: len(outcomes) for given, outcomes in self.outcomes.items()})

    def outcome(self, given: Given, number: int) -> Outcome | None:
        """Return what an effect came to, None if none was given that, or it was redacted.

        Args:
            number: how often the same was given before, from 0. What was given more often than is recorded comes to
                what it came to last.
        """
        outcomes = self.outcomes.get(given, ())
        # what was redacted in one is known to nobody: it is as if nothing were recorded
        if not outcomes or any(map(_is_redacted, outcomes)):
            return None
        return outcomes[min(number, len(outcomes) - 1)]


def recorded(compiled: CompiledMachine, journal: Iterable[Input]) -> Recorded:
    """Return what the effects of a run came to, folded from its journal.

    Args:
        compiled: the machine that it was run on, with its limits, prices and shares.

    Raises StepError: if the journal is damaged, or of another machine or kernel.
    """
    outcomes: dict[Given, list[Outcome]] = {}
    now: Configuration | None = None
    for event in journal:
        effect = None if now is None else _ended(now, event)
        if now is not None and effect is not None and (given := given_to(compiled, now, effect)) is not None:
            assert isinstance(event, Outcome)
            outcomes.setdefault(given, []).append(event)
        now = step(compiled, now, event).configuration
    return Recorded({given: tuple(each) for given, each in outcomes.items()})


def _is_redacted(outcome: Outcome) -> bool:
    return REDACTED.encode() in to_json(outcome)


def _ended(now: Configuration, event: Input) -> Effect | None:
    """Return the effect of a machine in the tree that an input says the outcome of; None if it is of none."""
    own = machine_at(now, event.path)
    if own is None or own.visit is None:
        return None
    visit = own.visit
    if isinstance(event, inputs.Answered):
        ask = visit.asks.get(event.ask)
        is_due = ask is not None and ask.is_open and ask.child is None and not ask.is_asking_human
        return UseTool(own.path, own.hops, own.state, visit.attempt, event.ask) if is_due else None
    is_agents = isinstance(event, inputs.Replied | inputs.Failed | inputs.Asked) and visit.round is None
    return Act(own.path, own.hops, own.state, visit.attempt) if is_agents else None


def given_to(compiled: CompiledMachine, now: Configuration, effect: Effect) -> Given | None:
    """Return what work is given that is due, None if it is no effect: it asks a model, a human or for parts."""
    found = levels(compiled, now, effect.path)
    own = found[-1].now
    state = found[-1].compiled.states[effect.state]
    place = ".".join(_names(found))
    if isinstance(effect, Act):
        return Given(place, *_read(state, own.context), results=_results(own)) if state.is_code else None
    if not isinstance(effect, UseTool) or own.visit is None:
        return None
    request = own.visit.asks[effect.ask].request
    assert isinstance(request, Request)
    return Given(place, *_read(state, own.context), request.name, _ENCODED(request.arguments))


def _results(own: Configuration) -> bytes:
    # not the ids of answers: of tools they are keys, and of humans whatever named a message
    asks = () if own.visit is None else own.visit.asks.values()
    return _ENCODED([(ask.end, ask.ok, ask.value, ask.who) for ask in asks]) if asks else b""


def _names(found: Iterable[Level]) -> Iterator[str]:
    for level in found:
        if level.part:
            yield level.part
        yield level.now.state


def _read(state: CompiledState, context: Context) -> tuple[tuple[str, ...], bytes]:
    """Return the names of the fields that a state reads, and their values as JSON."""
    names = tuple(sorted(state.spec.read_names))
    return names, _ENCODED(journaled(context, names)) if names else b""
