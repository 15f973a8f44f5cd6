"""The abstraction that makes a machine small enough to explore: the values of opaque fields are left out.

Runs move on a generated context with the same fields. Every *finite* field (see `domain`) keeps its values; every
*opaque* field holds one placeholder. An oracle answers for the guards: exactly where a guard reads finite fields only,
and both ways where it reads an opaque field (see `oracle`).

This is an over-approximation: it allows everything that real runs do, and perhaps more. So what holds of all explored
runs holds of all real ones. What was found on a path that depends on an opaque guard is only *possible*.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from pydantic import ConfigDict, create_model

from ...define.context import Context, given_fields
from ...define.definition import Definition
from ...define.guards import Guard
from ...errors import Finding
from .domain import NO_HOMES, Domain, combined, finite_values, leaves, leaves_of, outcomes
from .trace import PLACEHOLDER
from .validation import UNCLEAR, default_of, has_validators


class Abstraction:
    """A definition on an abstract context.

    Args:
        guards: every guard that runs or policies ask.
        homes: of leaves that are asked on contexts of another class, that class.
    """

    def __init__(
        self,
        definition: Definition,
        guards: tuple[Guard[Any], ...],
        homes: Mapping[Guard[Any], type[Context]] = NO_HOMES,
    ) -> None:
        self.original = definition
        self.domain = Domain(definition.context, guards, homes)
        self.context_type = _abstract_type(definition.context)
        self.definition = dataclasses.replace(definition, context=self.context_type, policies=())
        asked = leaves_of(guards)
        self.distinguished = self.domain.distinguished(asked)
        """By finite field, the values that guards distinguish; of values alike to all guards, only the first."""
        self.opaque_leaves = tuple(leaf for leaf in asked if self.domain.is_opaque(leaf))
        """The leaves that read an opaque field on some values."""
        # One leaf may stand in several guards, and answers once for all of them: it is given every outcome that matters
        # in any of them. For the others raising then only repeats what answering no does.
        self.outcomes = {leaf: max((outcomes(g, leaf) for g in guards if leaf in leaves(g)), key=len) for leaf in asked}
        sets = [(ref.name, value) for final in definition.finals.values() for ref, value in final.sets.items()]
        strange = any(name in self.domain.finite and not self.domain.is_listed(name, value) for name, value in sets)
        self.has_choices = bool(self.opaque_leaves) or strange
        """Whether a step may have several results: some leaf is opaque, or a final state writes a value that is not
        listed."""
        self.has_validators = has_validators(definition.context)
        self.may_read = {leaf: self.domain.may_read(leaf) for leaf in asked}
        """Every field that a leaf may read, whatever it was seen to read."""

    def starts(self) -> Iterator[dict[str, object]]:
        """Yield the contexts that runs begin with: every combination of given fields, defaults for the others."""
        for values in combined({n: kept for n, kept in self.distinguished.items() if n not in self._defaults}):
            yield {**self.placeholders, **self._defaults, **values}

    @cached_property
    def _defaults(self) -> dict[str, object]:
        """The finite fields that have the same value at the start of every run, with that value."""
        found = {name: self.domain.default(name) for name in self.domain.finite}
        return {name: value for name, value in found.items() if self.domain.is_listed(name, value)}

    @cached_property
    def opaque_defaults(self) -> dict[str, object]:
        """The opaque fields that guards may read and that have one value at the start of every run, with that value."""
        read = frozenset[str]().union(*(self.may_read[leaf] for leaf in self.opaque_leaves))
        found = {name: self.domain.default(name) for name in self.domain.opaque if name in read}
        return {name: value for name, value in found.items() if value is not UNCLEAR}

    @cached_property
    def placeholders(self) -> dict[str, object]:
        """Every opaque field, with the one value that it holds."""
        # One value is enough because nothing ever decides by it. No guard sees it: a leaf that reads an opaque field
        # is answered by the oracle, both ways. The kernel decides by guards alone, and the fields of the abstract
        # context accept any value.
        return {name: self._placeholder(name) for name in self.domain.opaque}

    def _placeholder(self, name: str) -> object:
        """Return a real value of a field if its values can be listed, its default if possible; else PLACEHOLDER."""
        context = self.original.context
        values = finite_values(context.__pydantic_fields__[name].annotation)
        if not values:
            return PLACEHOLDER
        default = values[0] if name in given_fields(context) else default_of(context, name)
        return default if default in values else values[0]

    def opaque_fields(self, *, is_sure: bool) -> tuple[str, ...]:
        """Return the fields whose placeholder is not to be taken for a value on a path.

        Args:
            is_sure: whether the path depends on no opaque guard.
        """
        # Where no guard was seen to read a field, any real value would do. But an opaque guard may read it after the
        # field at which it was stopped, so on a path that depends on such a guard not any value does.
        return tuple(name for name, value in self.placeholders.items() if value is PLACEHOLDER or not is_sure)

    def values(self, context: Context, fields: Iterable[str] | None = None) -> tuple[object, ...]:
        """Return the values that a context holds in some fields, in their order.

        Args:
            context: may be a watched view, which then does not report these reads.
            fields: None: all finite fields.
        """
        held = object.__getattribute__(context, "__dict__")
        return tuple([held[name] for name in (self.domain.finite if fields is None else fields)])

    def notes(self) -> tuple[str, ...]:
        """Return what was left out or taken more widely than it is, one line each."""
        notes = []
        if self.domain.finite:
            fields = ", ".join(
                f"{name} ({len(self.distinguished[name])} of {len(values)})"
                for name, values in self.domain.finite.items()
            )
            notes.append(f"fields tried with every value that guards distinguish: {fields}")
        asked = frozenset[str]().union(*self.may_read.values())
        opaque = [name for name in self.domain.opaque if name in asked]
        unread = [name for name in self.domain.opaque if name not in asked]
        if opaque:
            notes.append(
                f"opaque fields, which guards may read and whose values were not all tried: {', '.join(opaque)}"
            )
        if unread:
            notes.append(f"fields that no guard reads, so that their values decide nothing: {', '.join(unread)}")
        if self.opaque_leaves:
            shown = ", ".join(map(repr, self.opaque_leaves))
            notes.append(f"opaque guards, tried with every answer until what they read is written: {shown}")
        if self._defaults:
            notes.append(f"fields that begin with their defaults: {', '.join(self._defaults)}")
        if self.has_validators:
            name = self.original.context.__name__
            notes.append(f"the validators of {name} were not run: any value is tried, even one that they would refuse")
        return tuple(notes)


class _AbstractContext(Context):
    """The base of abstract contexts, whose fields accept any value."""

    model_config = ConfigDict(protected_namespaces=())

    @classmethod
    def _findings(cls, names: Mapping[str, Any]) -> tuple[Finding, ...]:  # noqa: ARG003
        return ()  # no run holds one


def _abstract_type(context_type: type[Context]) -> type[Context]:
    fields: Mapping[str, Any] = dict.fromkeys(context_type.__pydantic_fields__, (Any, ...))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about field names that shadow others: the user's own class has warned of them
        return create_model(context_type.__name__, __base__=_AbstractContext, **fields)
