"""Whether a definition can keep the promise: every rule that can be known before anything runs.

Each rule is a function from a definition to its findings; `check` asks them all, so that a user sees every
finding at once. Codes are stable:

FSM101 initial states      FSM102 fallback             FSM103 unreachable     FSM104 trap
FSM105 unbounded cycle     FSM106 duplicate handoff    FSM107 unnamed handoff
FSM109 failure edges       FSM110 unwritten read       FSM111 foreign field   FSM112 foreign guard or function
FSM113 nameless callable   FSM114 name on the wire     FSM115 subclassed      FSM116 no context
FSM117 no description      FSM118 foreign or twice-named part                 FSM119 cannot start
FSM120 default answer      FSM121 route                FSM122 context without a schema
FSM123 visits or timeout   FSM130 mutable field (raised by the context class itself)
FSM401 foreign policy      FSM402 policy of a thing with itself
"""

from __future__ import annotations

import difflib
import math
import re
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ...errors import Finding
from ..changes import describe_item
from ..context import Context, FieldRef
from ..definition import Definition
from ..guards import Guard
from ..states import Handoff
from .paths import can_start, cycles, traps, unreachable, unwritten_reads

WIRE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
RESERVED_FIELDS = frozenset({"handoff"})
"""Keys of a decision that no context field may take."""

Rule = Callable[[Definition], Iterator[Finding]]


def check(definition: Definition) -> tuple[Finding, ...]:
    """Ask every rule that has something to look at.

    No edges if a part is foreign, no ways to an end if a handoff is unnamed, no paths without one start.
    """
    findings: list[Finding] = []
    for rules, blind in _RULES:
        if not blind & {finding.code for finding in findings}:
            findings += [finding for rule in rules for finding in rule(definition)]
    return tuple(findings)


def _initial(definition: Definition) -> Iterator[Finding]:
    initials = [name for name, state in definition.states.items() if state.initial]
    if len(initials) != 1:
        yield Finding(
            code="FSM101",
            where=definition.where,
            came=f"{_count(initials, 'initial state')} in {definition.name}",
            allowed="exactly one state with initial=True",
            do=f"mark one of {_listed(definition.states)}" if definition.states else "declare a State",
        )


def _fallback(definition: Definition) -> Iterator[Finding]:
    fallbacks = [name for name, final in definition.finals.items() if final.fallback]
    if len(fallbacks) != 1:
        yield Finding(
            code="FSM102",
            where=definition.where,
            came=f"{_count(fallbacks, 'fallback')} in {definition.name}",
            allowed="exactly one Final(fallback=True), where runs are landed",
            do="declare one, with the default answer in sets={...}",
        )


def _parts(definition: Definition) -> Iterator[Finding]:
    """Every part belongs to this class under one name, and handoffs join only its parts."""
    own = {id(part) for part in (*definition.states.values(), *definition.finals.values())}
    for part in dict.fromkeys((*definition.states.values(), *definition.finals.values(), *definition.handoffs)):
        if len(part.owners) > 1:
            yield Finding(
                code="FSM118",
                where=part.where,
                came=f"one {type(part).__name__} under several names: {', '.join(part.owners)}",
                allowed="one name in one machine",
                do="declare a part for each name",
            )
    for handoff in definition.handoffs:
        for part in dict.fromkeys((*handoff.sources, handoff.target)):
            if id(part) in own:
                continue
            yield Finding(
                code="FSM118",
                where=handoff.where,
                came=f"handoff {handoff.name!r} joins {part!r}, which is no attribute of {definition.name}",
                allowed="states and final states of the same class",
                do="assign it to an attribute of this class",
            )


def _policies(definition: Definition) -> Iterator[Finding]:
    """Every policy speaks of this machine's own parts, and not of one thing twice."""
    own = {id(p) for p in (*definition.states.values(), *definition.finals.values(), *definition.handoffs)}
    for policy in definition.policies:
        for atom in policy.atoms:
            if id(atom) not in own and not isinstance(atom, Guard):
                yield Finding(
                    code="FSM401",
                    where=policy.where,
                    came=f"{policy} speaks of {atom!r}, which is no attribute of {definition.name}",
                    allowed="states, final states and handoffs of the same class, and guards of its context",
                    do="name a part of this class",
                )
        for atom in policy.subject:
            if any(atom is other for other in policy.other):
                yield Finding(
                    code="FSM402",
                    where=policy.where,
                    came=f"{policy} holds one thing against itself",
                    allowed="a first and a second thing; how often one happens is bounded by at_most",
                    do="name another, or write at_most(1, ...) if it may happen once",
                )


def _unnamed(definition: Definition) -> Iterator[Finding]:
    named = {id(handoff) for handoff in definition.handoffs}
    unnamed = {id(h): h for state in definition.states.values() for h in state.handoffs if id(h) not in named}
    for handoff in unnamed.values():
        yield Finding(
            code="FSM107",
            where=handoff.where,
            came=f"a handoff to {handoff.target.name or 'a state'!r} that is assigned to no attribute",
            allowed="every handoff has a name: it is what a model chooses and a journal records",
            do=f"write to_{handoff.target.name or 'it'} = ...",
        )


def _wire_names(definition: Definition) -> Iterator[Finding]:
    places = [(name, part.where) for name, part in (*definition.states.items(), *definition.finals.items())]
    places += [(handoff.name, handoff.where) for handoff in definition.handoffs]
    places += [(ref.name, state.where) for state in definition.states.values() for ref in state.spec.writes]
    for name, where in places:
        if not WIRE_NAME.fullmatch(name):
            yield Finding(
                code="FSM114",
                where=where,
                came=f"the name {name!r}",
                allowed="1 to 64 of A-Z a-z 0-9 _ -, which is what every provider accepts",
                do="rename it",
            )
    for state in definition.states.values():
        for name in sorted(state.spec.written_names & RESERVED_FIELDS):
            yield Finding(
                code="FSM114",
                where=state.where,
                came=f"state {state.name!r} writes a field named {name!r}",
                allowed="any other name: a decision has a key of its own by this one",
                do="rename the field",
            )


def _duplicates(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        seen: dict[object, Handoff] = {}
        for handoff in state.handoffs:
            guard = None if handoff.guard is None else (handoff.guard.canonical or id(handoff.guard))
            key = (handoff.kind, handoff.target.name, repr(guard)) if handoff.kind == "handoff" else handoff.kind
            first = seen.setdefault(key, handoff)
            if first is handoff:
                continue
            yield Finding(
                code="FSM106" if handoff.kind == "handoff" else "FSM109",
                where=handoff.where,
                came=f"{handoff.name!r} leaves {state.name!r} exactly as {first.name!r} does",
                allowed="one handoff for each target and guard, one edge for each kind of failure",
                do=f"remove it, or give it a guard of its own (the other is at {first.where})",
            )


def _fields(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        for ref in (*state.spec.reads, *state.spec.writes):
            yield from _field(definition, ref, state.where, f"the agent of {state.name!r} names")
    for final in definition.finals.values():
        for ref, value in final.sets.items():
            foreign = tuple(_field(definition, ref, final.where, f"final state {final.name!r} sets"))
            yield from foreign or _default_answer(definition, ref, value, final.where)


def _field(definition: Definition, ref: FieldRef, where: str, subject: str) -> Iterator[Finding]:
    fields = definition.context.__pydantic_fields__
    if issubclass(definition.context, ref.owner) and ref.name in fields:
        return
    yield Finding(
        code="FSM111",
        where=where,
        came=f"{subject} {ref!r}, which is no field of {definition.context.__name__}",
        allowed=f"fields of {definition.context.__name__}: {_listed(fields)}",
        do=f"name a field of the machine's own context{_did_you_mean(ref.name, fields)}",
    )


def _default_answer(definition: Definition, ref: FieldRef, value: object, where: str) -> Iterator[Finding]:
    problem = _misfit(definition.context, ref.name, value)
    if problem is not None:
        yield Finding(
            code="FSM120",
            where=where,
            came=f"sets {ref!r} to a value that does not fit: {problem}",
            allowed="a value that the field and its validators take as it is, checked now so that landing never fails",
            do="set a value of that type",
        )


def _misfit(context: type[Context], name: str, value: object) -> str | None:
    """Say why a field would not take a value as it is, or a journal would not give it back; None if they do."""
    try:
        context.model_validate({name: value}, strict=True, by_alias=False, by_name=True)
    except ValidationError as error:
        items = error.errors(include_url=False, include_input=False, include_context=False)
        about = [item for item in items if item["loc"][:1] == (name,)]
        if about:
            return "; ".join(map(describe_item, about))
    adapter = TypeAdapter(context.__pydantic_fields__[name].rebuild_annotation())
    try:
        survives = adapter.validate_json(adapter.dump_json(value)) == value
    except ValueError:
        survives = False
    return None if survives else "it does not survive being written as JSON"


def _contexts(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        yield from _foreign(definition, state.spec.contexts, state.spec.where, f"the agent of {state.name!r}")
    for where, subject, guard in _guards(definition):
        yield from _foreign(definition, guard.contexts, where, subject)


def _guards(definition: Definition) -> Iterator[tuple[str, str, Guard[Any]]]:
    """Give every guard with where and how it is used."""
    for handoff in definition.handoffs:
        if handoff.guard is not None:
            yield handoff.where, f"the guard of {handoff.name!r}", handoff.guard
    for policy in definition.policies:
        for guard in policy.guards:
            yield policy.where, f"a guard of {policy}", guard


def _dependencies(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        wanted, given = state.spec.deps, definition.deps
        if wanted is None or not _is_foreign(wanted, given):
            continue
        yield Finding(
            code="FSM112",
            where=state.spec.where,
            came=f"the agent of {state.name!r} is annotated for dependencies {_type_name(wanted)}",
            allowed=f"the dependencies of {definition.name}: {_type_name(given)}",
            do=f"declare Machine[{definition.context.__name__}, {_type_name(wanted)}], or annotate the function anew",
        )


def _is_foreign(wanted: object, given: object) -> bool:
    """Tell whether dependencies are certainly others than those wanted; protocols and generics are for checkers."""
    if given is None:
        return type(None) not in typing.get_args(wanted)
    if not isinstance(wanted, type) or not isinstance(given, type) or getattr(wanted, "_is_protocol", False):
        return False
    return not issubclass(given, wanted)


def _type_name(given: object) -> str:
    return "none" if given is None else getattr(given, "__name__", str(given))


def _foreign(definition: Definition, contexts: Iterable[type], where: str, subject: str) -> Iterator[Finding]:
    for context in contexts:
        if not issubclass(definition.context, context):
            yield Finding(
                code="FSM112",
                where=where,
                came=f"{subject} is annotated for {context.__name__}",
                allowed=f"{definition.context.__name__}, the context of {definition.name}, or a base of it",
                do="annotate it for that context, or use another",
            )


def _nameless(definition: Definition) -> Iterator[Finding]:
    places: list[tuple[str, str, object]]
    places = [(s.where, f"the agent of {s.name!r}", s.spec.canonical) for s in definition.states.values()]
    places += [(where, subject, guard.canonical) for where, subject, guard in _guards(definition)]
    for where, subject, canonical in places:
        if canonical is None:
            yield Finding(
                code="FSM113",
                where=where,
                came=f"{subject} has no name of its own: a lambda, a partial, a bound method or a closure",
                allowed="functions told by their module and name: a machine's digest is the same in every process",
                do="write it as a def of a module; what varies belongs in the context or the dependencies",
            )


def _descriptions(definition: Definition) -> Iterator[Finding]:
    for handoff in definition.handoffs:
        models = [s.name for s in handoff.sources if s.spec.proposes and handoff.kind == "handoff"]
        if models and not handoff.description.strip():
            yield Finding(
                code="FSM117",
                where=handoff.where,
                came=f"{handoff.name!r} leaves {_listed(models)} without a description",
                allowed="a description on every exit of an LLM agent: it is all that the model sees of it",
                do=f'say when to take it: .to({handoff.target.name}, "when ...")',
            )


def _bounds(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        visits, timeout, attempts = state.max_visits, state.timeout_s, state.spec.attempts
        given = [number for number in (visits, attempts, state.spec.calls or None) if number is not None]
        too_few = not all(map(_is_count, given))
        too_short = timeout is not None and not 0 < timeout < math.inf
        if too_few or too_short:
            yield Finding(
                code="FSM123",
                where=state.where,
                came=f"state {state.name!r} with max_visits={visits!r}, timeout_s={timeout!r}, attempts={attempts!r}",
                allowed="whole max_visits and attempts from 1, timeout_s above 0 and finite, or None",
                do="mend the number, or leave it out",
            )


def _is_count(number: object) -> bool:
    return type(number) is int and number >= 1


def _schema(definition: Definition) -> Iterator[Finding]:
    try:
        definition.context.model_json_schema()
    except Exception as error:  # whatever keeps it from a schema keeps it from a journal
        yield Finding(
            code="FSM122",
            where=definition.where,
            came=f"{definition.context.__name__} has no JSON schema: {type(error).__name__}",
            allowed="fields that can be written to a journal and read back",
            do="use types that pydantic can serialize; pass live objects as dependencies",
        )


def _routes(definition: Definition) -> Iterator[Finding]:
    for state in definition.states.values():
        for target in state.spec.routes:
            ways = [h.name for h in definition.exits(state.name) if h.target is target]
            if len(ways) != 1:
                yield Finding(
                    code="FSM121",
                    where=state.where,
                    came=f"the agent of {state.name!r} routes to {target!r}, to which {_count(ways, 'handoff')} lead",
                    allowed="exactly one handoff to each state it routes to",
                    do=f"declare one handoff from {state.name!r} to it",
                )


def _count(names: Iterable[str], noun: str) -> str:
    listed = list(names)
    number = {0: "no", 1: "1"}.get(len(listed), str(len(listed)))
    plural = "" if len(listed) == 1 else "s"
    return f"{number} {noun}{plural}" + (f" ({_listed(listed)})" if listed else "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _did_you_mean(name: str, candidates: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(candidates), n=1)
    return f": did you mean {close[0]!r}?" if close else ""


_PART_RULES: tuple[Rule, ...] = (
    _initial,
    _fallback,
    _parts,
    _policies,
    _wire_names,
    _fields,
    _contexts,
    _dependencies,
    _nameless,
    _descriptions,
    _bounds,
    _schema,
)
_EDGE_RULES: tuple[Rule, ...] = (_unnamed, _duplicates, _routes, cycles)
_END_RULES: tuple[Rule, ...] = (traps,)
_PATH_RULES: tuple[Rule, ...] = (unreachable, unwritten_reads, can_start)
_RULES: tuple[tuple[tuple[Rule, ...], frozenset[str]], ...] = (
    (_PART_RULES, frozenset()),
    (_EDGE_RULES, frozenset({"FSM118"})),
    (_END_RULES, frozenset({"FSM107", "FSM118"})),
    (_PATH_RULES, frozenset({"FSM101", "FSM107", "FSM118"})),
)
"""Rules, and the findings that leave them nothing to look at, or less than was meant."""
