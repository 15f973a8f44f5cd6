"""Hypothesis strategies: tapes, the contexts of a machine, values of their fields, and replies of its agents."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Annotated, Any, get_args

from hypothesis import HealthCheck, Phase, find, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import ResolutionFailed
from hypothesis.strategies import SearchStrategy
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ..agents.base import Reply
from ..define.changes import describe, validated
from ..define.context import Context, given_fields
from ..define.definition import Definition
from ..define.machine import AnyMachine, C, Machine
from ..define.states import State
from ..errors import ContextError, StartError
from ..kernel.configuration import Configuration
from ..run import start
from .patterns import drawable
from .tape import Tape


def tapes(*, min_size: int = 40, max_size: int = 160) -> SearchStrategy[Tape]:
    """Draw a tape: a byte for each choice of an adversary."""
    return st.binary(min_size=min_size, max_size=max_size).map(Tape)


def contexts(machine: type[Machine[C, Any]]) -> SearchStrategy[C]:
    """Draw contexts that a run can start on, by the types and constraints of the fields; validators then filter them.

    A field with a default that is not marked `Given` keeps it, since callers may not set it.

    Register a type that Hypothesis does not know with `hypothesis.strategies.register_type_strategy`.

    Raises hypothesis.errors.ResolutionFailed: when the strategy is used, if no context fits; names the field and the
        type to register.
    """
    context: type[C] = machine.definition.context  # type: ignore[assignment]
    return starts(context)


def starts(context: type[C]) -> SearchStrategy[C]:
    """Draw contexts of a class that a run can start on; see `contexts`."""
    return st.deferred(lambda: _fitting_contexts(context))


def _fitting_contexts(context: type[C]) -> SearchStrategy[C]:
    _check_context(context)  # pyright: ignore[reportArgumentType] - it asks whether its instances can be hashed
    return (
        given_values(context)
        .filter(lambda given: _fits(context, given, []))
        .map(lambda given: validated(context, given))
    )


def given_values(context: type[Context]) -> SearchStrategy[dict[str, Any]]:
    """Draw what callers give, by field, without asking validators."""
    fields = {name: values(context, name) for name in sorted(given_fields(context))}
    required = {name: fields.pop(name) for name in list(fields) if context.__pydantic_fields__[name].is_required()}
    return st.fixed_dictionaries(required, optional=fields)


def _fits(context: type[Context], given: Mapping[str, Any], refused: list[str]) -> bool:
    """Return whether a run could start on these values; add the reason to `refused` if not."""
    try:
        start.initial_values(validated(context, given))
    except (ContextError, StartError) as error:
        refused.append(str(error))
        return False
    return True


def values(context: type[Context], name: str) -> SearchStrategy[Any]:
    """Draw values for a field of a context, by its type and constraints, without asking its validators.

    Args:
        context: the class of the context.
        name: the field.

    Raises hypothesis.errors.ResolutionFailed: when the strategy is used, if no value fits; names the type to register.
    """
    return st.deferred(lambda: _fitting_values(context, name))


def _fitting_values(context: type[Context], name: str) -> SearchStrategy[Any]:
    _check_field(context, name)  # pyright: ignore[reportArgumentType] - likewise
    return _values(context.__pydantic_fields__[name], [])


def _values(info: FieldInfo, refused: list[str]) -> SearchStrategy[Any]:
    drawn = drawable(Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation)
    return _buildable(st.from_type(drawn), refused).filter(_is_finite)


@st.composite
def _buildable(draw: st.DrawFn, values: SearchStrategy[Any], refused: list[str]) -> Any:
    """Draw values that the pydantic models inside them accept; add the reason to `refused` for each that is not."""
    try:
        return draw(values)
    except ValidationError as error:
        refused.append(describe(error))
        reject()


@lru_cache(maxsize=1_000)  # what raises is not cached: its type may be registered before the next try
def _check_field(context: type[Context], name: str) -> None:
    info, refused = context.__pydantic_fields__[name], list[str]()
    _check_made(f"{context.__name__}.{name}", lambda: _values(info, refused), refused, info.annotation)


@lru_cache(maxsize=1_000)
def _check_context(context: type[Context]) -> None:
    given, refused = given_values(context), list[str]()
    given.validate()  # each field first, so that the message names it and not the whole context
    _check_made(context.__name__, lambda: given.filter(lambda some: _fits(context, some, refused)), refused)


def _check_made(
    subject: str, made: Callable[[], SearchStrategy[Any]], refused: Sequence[str], kind: object = None
) -> None:
    """Try to draw once: if nothing can be drawn, Hypothesis's own error does not name the field.

    In a thread of its own, since Hypothesis warns of a test inside a test.

    Raises ResolutionFailed: if nothing could be drawn.
    """
    patient = settings(
        max_examples=1,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=(HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.data_too_large),
    )
    with ThreadPoolExecutor(1) as thread:
        try:
            thread.submit(lambda: find(made(), lambda _: True, settings=patient)).result()
        except Exception as error:  # Hypothesis's own, or anything that a type raised when it was built
            raise unmade(subject, refused or [str(error) or type(error).__name__], kind) from error


def unmade(subject: str, refused: Sequence[str], kind: object = None) -> ResolutionFailed:
    """Return the error that says what cannot be drawn, why, and how to register a type.

    Args:
        subject: what cannot be drawn, such as `Ticket.query`.
        refused: why values were refused; the most common reason is shown.
        kind: the annotation, if the subject is a field; the first own type in it is named.
    """
    why = Counter(refused).most_common(1)[0][0].rstrip(".")
    taught = next(_own_types(kind), None)
    return ResolutionFailed(
        f"Hypothesis makes no values for {subject}: {why}. Teach it, in a conftest.py say: "
        f"hypothesis.strategies.register_type_strategy({taught or 'TheType'}, ...)"
        + ("" if taught else ", where TheType is the field's own type, such as a NewType of str")
    )


def _own_types(annotation: object) -> Iterator[str]:
    """Yield the names of the types in an annotation that are not builtins."""
    for argument in get_args(annotation):
        yield from _own_types(argument)
    if isinstance(annotation, type) and not get_args(annotation) and annotation.__module__ != "builtins":
        yield annotation.__name__


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def replies(machine: AnyMachine, state: State | Configuration) -> SearchStrategy[Reply]:
    """Draw replies of the agent of a state: mostly one that fits, else one that may break a rule.

    Args:
        machine: the machine.
        state: a state, or the configuration of a run, for the state in which it stands.
    """
    return replies_in(machine.definition, _place(machine, state))


def replies_in(definition: Definition, here: State) -> SearchStrategy[Reply]:
    """Draw replies of the agent of a state, of a part too; see `replies`."""
    context = definition.context
    exits = [handoff.name for handoff in here.exits]
    wrong = [handoff.name for handoff in definition.handoffs] + [here.name, "*land*", "nowhere"]
    some = {name: values(context, name) for name in sorted(here.spec.written_names)}
    names = st.sampled_from(sorted(context.__pydantic_fields__))
    broken = st.builds(
        Reply,
        handoff=st.none() | st.sampled_from([*exits, *wrong]),
        changes=st.fixed_dictionaries({}, optional=some) | st.dictionaries(names, st.booleans() | st.text()),
    )
    well = fitting(definition, here, exits)
    return st.one_of(well, well, well, broken)


def fitting(definition: Definition, here: State, handoffs: Sequence[str]) -> SearchStrategy[Reply]:
    """Draw replies that write what the agent of a state declares, and propose one of some handoffs.

    If the agent need not propose a handoff, some replies propose none.
    """
    context = definition.context
    has_to = here.spec.proposes and len(here.exits) > 1
    proposed = st.sampled_from(list(handoffs)) if handoffs else st.none()
    changes = st.fixed_dictionaries({name: values(context, name) for name in sorted(here.spec.written_names)})
    return st.builds(Reply, handoff=proposed if has_to else st.none() | proposed, changes=changes)


def _place(machine: AnyMachine, state: State | Configuration) -> State:
    return machine.definition.states[state.state if isinstance(state, Configuration) else state.name]
