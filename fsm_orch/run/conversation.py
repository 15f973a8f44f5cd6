"""A conversation: what a run adds to it, and what of it an agent sees.

The messages of a result, given to the next run, go on with the conversation. A run adds what it was given in fields, as
the user's words; what its agents said; and what they wrote into fields, as theirs. What is a field stays one: it shows
in the next run to agents that read or write it, and to no other. Within a run nothing is said twice: there its fields
are in the context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from msgspec import UNSET
from pydantic_core import from_json, to_json

from ..define.agent_spec import AgentSpec
from ..define.changes import journaled
from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..define.states import Final
from ..kernel.begin import beginning
from ..kernel.inputs import Input
from ..kernel.records import HandedOff, Record
from ..messages import Message, Role


def seen_by(spec: AgentSpec, state: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a conversation without the fields that an agent neither reads nor writes, and the summaries of others.

    Args:
        state: where the agent works.
    """
    if not any(said.fields or said.role == "summary" for said in messages):
        return messages
    known = spec.read_names | spec.written_names
    return tuple([seen for said in messages if (seen := _seen(said, state, known)) is not None])


def _seen(said: Message, state: str, known: frozenset[str]) -> Message | None:
    if said.role == "summary" and said.agent != state:
        return None  # it may tell of fields that this agent does not know
    if said.fields is UNSET or known.issuperset(said.fields):
        return said
    values = from_json(said.content)
    return _showing(said.role, said.agent, {name: values[name] for name in said.fields if name in known})


def asked(definition: Definition) -> frozenset[str]:
    """Return the fields that are a caller's words: what a caller may give, and some agent reads."""
    read = frozenset[str]().union(*(state.spec.read_names for state in definition.states.values()))
    return given_fields(definition.context) & read


def added_to(
    journal: Sequence[Input],
    context: Context,
    said: tuple[Message, ...],
    records: Sequence[Record],
    final: Final | None,
    words: frozenset[str],
) -> tuple[Message, ...]:
    """Return the conversation that a run was given, with what it added.

    Args:
        journal: of the run; its first input says how it began.
        context: what it came to.
        said: its messages: those that it was given, then those of its agents.
        records: of all that happened.
        final: where it ended; None if it did not.
        words: the fields that are a caller's words.
    """
    started = beginning(journal)
    given = len(started.messages)
    question = _showing("user", None, {name: value for name, value in started.context.items() if name in words})
    return (*said[:given], *([question] if question else []), *_replies(context, said[given:], records, final))


def _replies(
    context: Context, said: Sequence[Message], records: Sequence[Record], final: Final | None
) -> Iterator[Message]:
    """Yield what agents said and wrote, in its order; a field that was written twice, where that was last."""
    turns = [
        _Turn(hop.source, hop.messages, hop.written)
        for hop in records
        if isinstance(hop, HandedOff) and not hop.stamp.path
    ]
    if final is not None:
        turns.append(_Turn(final.name, 0, tuple([ref.name for ref in final.sets])))
    last = {name: turn for turn in turns for name in turn.written}
    values = journaled(context, last) if last else {}
    saying = iter(said)
    for turn in turns:
        yield from islice(saying, turn.messages)
        shown = _showing("assistant", turn.name, {name: values[name] for name in turn.written if last[name] is turn})
        if shown is not None:
            yield shown


class _Turn(NamedTuple):
    """What a state said and wrote in a visit, or a final state."""

    name: str
    messages: int
    written: tuple[str, ...]


def _showing(role: Role, agent: str | None, values: Mapping[str, Any]) -> Message | None:
    """Return a message that shows fields; None if there are none."""
    if not values:
        return None
    return Message(role=role, agent=agent, content=to_json(values).decode(), fields=tuple(values))
