"""The domain of a context: which fields have values that can be listed, and what a guard answers on them.

A field is *finite* if its type is a bool, an enum, a Literal, None, or a union of these. Any other field is *opaque*:
its values are not looked into. A *leaf* is a guard that is not composed of others. A leaf that reads an opaque field is
opaque too: it may answer yes, answer no, or raise. Leaves are asked on a view of the context that holds only some
fields, which shows what they read; a field behind a short circuit counts only where it is read. An opaque field that
every run begins with the same value in is read both ways: as that value, and as one that is not known.

A composed guard is decided from what its leaves answer, so `g` and `~g` never both hold, however opaque g is.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice, product
from typing import Annotated, Any, Literal, NamedTuple, Union

from ...define.context import Context, given_fields
from ...define.guards import Guard, as_bool
from ...define.watched import watched
from ...errors import is_failure
from .reads import may_read
from .validation import UNCLEAR, admitted, default_of, has_validators

MAX_VALUES = 16
"""A field with more values than this is opaque: the configurations to explore grow with the product of all values."""

MOST_PATHS = 1_024
"""The most combinations of values that one leaf is asked on; beyond them, the field it reads last is made opaque."""

NO_HOMES: Mapping[Guard[Any], type[Context]] = types.MappingProxyType({})

Outcome = Literal["yes", "no", "raises"]
"""What a leaf did when it was asked. A guard counts as false if any leaf that it asks raises."""


class Answer(NamedTuple):
    """What a leaf answers where only some fields have values."""

    outcome: Outcome | None
    """None: the leaf is opaque here, because it read a field without a value."""
    reads: tuple[str, ...]
    """The fields it read, in order, each once; if the outcome is None, the last one is the field without a value."""
    error: str | None = None
    """The type of what it raised, and the leaf; None if it did not raise."""


class Path(NamedTuple):
    """One way through a leaf: the fields that it reads, with the values it finds, and what it answers then."""

    found: Mapping[str, object]
    """By field, in the order in which it reads them."""
    answer: Answer


class Domain:
    """The fields of a context class: the finite ones with their values, and the opaque ones.

    Args:
        guards: only fields that these read are listed as finite; None: every field that can be.
        homes: of leaves that are asked on contexts of another class, that class; its fields are fields of this one.
    """

    def __init__(
        self,
        context_type: type[Context],
        guards: Iterable[Guard[Any]] | None = None,
        homes: Mapping[Guard[Any], type[Context]] = NO_HOMES,
    ) -> None:
        self.context_type = context_type
        self._homes = homes
        # With this setting contexts hold an enum's values, so the members that we would list occur in no run.
        is_raw = context_type.model_config.get("use_enum_values")
        self.finite: dict[str, tuple[object, ...]] = {}
        """Every value of each finite field, in order of declaration."""
        for name, field in context_type.__pydantic_fields__.items():
            values = finite_values(field.annotation) or ()
            is_lost = is_raw and any(isinstance(value, enum.Enum) for value in values)
            if values and not is_lost and (held := admitted(context_type, name, values)):
                self.finite[name] = held
        self._defaults: dict[str, object] = {}
        self._asked: dict[tuple[Guard[Any], tuple[object, ...]], Answer] = {}
        self._walked: dict[Guard[Any], tuple[Path, ...]] = {}
        if guards is not None:
            # A field that no guard reads decides nothing: listing its values would multiply configurations for nothing.
            asked = leaves_of(guards)
            for leaf in asked:
                while (beyond := next(islice(self._walk(leaf, {}), MOST_PATHS, None), None)) is not None:
                    del self.finite[[name for name in beyond.found if name in self.finite][-1]]
            reads = self.read_by(asked)
            self.finite = {name: values for name, values in self.finite.items() if name in reads}
        self.opaque = tuple(name for name in context_type.__pydantic_fields__ if name not in self.finite)

    def valuations(self, fields: Iterable[str]) -> Iterator[dict[str, object]]:
        """Yield every combination of values of these finite fields."""
        return combined({name: self.finite[name] for name in fields})

    def is_listed(self, name: str, value: object) -> bool:
        """Return whether a value is one of those listed for a field."""
        # By type too: 1 == True, but a guard may tell them apart.
        return any(type(value) is type(listed) and value == listed for listed in self.finite.get(name, ()))

    @cached_property
    def _may_vary(self) -> frozenset[str]:
        """The fields with which runs may begin otherwise than with their defaults."""
        # Validators may derive any field from what is given, so with validators no field begins with its default.
        whole = has_validators(self.context_type)
        return frozenset(self.context_type.__pydantic_fields__) if whole else given_fields(self.context_type)

    def default(self, name: str) -> object:
        """Return the value that a field holds at the start of every run; UNCLEAR if there is no such value."""
        if name not in self._defaults:
            self._defaults[name] = UNCLEAR if name in self._may_vary else default_of(self.context_type, name)
        return self._defaults[name]

    def distinguished(self, asked: Iterable[Guard[Any]]) -> dict[str, tuple[object, ...]]:
        """Return, for each finite field, the values that some leaf distinguishes.

        Of values that are alike to all leaves, the first stands for all.
        """
        # Values may be merged only if every leaf does the same after reading either: the same answer, and the same
        # further reads. Comparing the whole rest of its paths ensures that. Then two runs that differ in such values
        # alone get the same answer from every guard at every step, so exploring one of them shows all that the other
        # can do.
        paths = [(leaf, path) for leaf in asked for path in self._paths(leaf)]
        kept: dict[str, tuple[object, ...]] = {}
        for name, values in self.finite.items():
            rest: dict[object, set[Hashable]] = {value: set() for value in values}
            for leaf, (found, answer) in paths:
                if name in found:
                    rest[found[name]].add((leaf, self._beside(name, found), answer))
            first: dict[frozenset[Hashable], object] = {}
            for value in values:
                first.setdefault(frozenset(rest[value]), value)
            kept[name] = tuple(first.values())
        return kept

    def _beside(self, name: str, found: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
        # The value of an opaque field is its default, which need not have a hash, and is the same everywhere.
        others = ((other, value if other in self.finite else None) for other, value in found.items())
        return tuple((other, value) for other, value in others if other != name)

    def ask(self, leaf: Guard[Any], known: Mapping[str, object]) -> Answer:
        """Ask a leaf on a context in which only some fields have values.

        Args:
            known: the values, by field.
        """
        reads: list[str] = []

        def on_read(name: str) -> None:
            reads.append(name)
            if name not in known:
                raise _OpaqueRead

        try:
            answer = as_bool(leaf(watched(self._context(leaf, known), on_read)))
            outcome: Outcome | None = "yes" if answer else "no"
            error = None
        except _OpaqueRead:
            outcome, error = None, None
        except BaseException as raised:
            if not is_failure(raised):
                raise
            missing = raised.name if isinstance(raised, AttributeError) else None
            outcome, error = "raises", f"{type(raised).__name__} in {leaf!r}" + (f": no {missing!r}" if missing else "")
        # Looked up among the reads and not taken from the exception, which a bare `except` in the guard swallows: its
        # answer would then rest on a value that is not there.
        first_opaque = next((number for number, name in enumerate(reads) if name not in known), None)
        if first_opaque is not None:
            return Answer(None, _once(reads[: first_opaque + 1]))
        return Answer(outcome, _once(reads), error)

    def ask_known(self, leaf: Guard[Any], values: tuple[object, ...]) -> Answer:
        """Ask a leaf on values of all finite fields, in their order; each question is asked once and remembered."""
        key = leaf, values
        if key not in self._asked:
            self._asked[key] = self.ask(leaf, dict(zip(self.finite, values, strict=True)))
        return self._asked[key]

    def reads(self, leaf: Guard[Any]) -> tuple[str, ...]:
        """Return every field that a leaf reads on some values, in order of declaration.

        Fields that it would read after an opaque field are seen only if that field's default leads to them.
        """
        seen = {name for path in self._paths(leaf) for name in path.answer.reads}
        return tuple(name for name in self.context_type.__pydantic_fields__ if name in seen)

    def read_by(self, guards: Iterable[Guard[Any] | None]) -> frozenset[str]:
        """Return every field that some leaf of these guards reads; None reads nothing."""
        return frozenset(name for leaf in leaves_of(guards) for name in self.reads(leaf))

    def may_read(self, leaf: Guard[Any]) -> frozenset[str]:
        """Return every field that a leaf may read: those that it was seen to read, and those that its code names."""
        return frozenset(self.reads(leaf)) | may_read(leaf, self._homes.get(leaf, self.context_type))

    def is_opaque(self, leaf: Guard[Any]) -> bool:
        """Return whether a leaf is opaque for some values of the finite fields."""
        return any(path.answer.outcome is None for path in self._paths(leaf))

    def _paths(self, leaf: Guard[Any]) -> tuple[Path, ...]:
        """Return every path through a leaf; it is walked once and remembered."""
        if leaf not in self._walked:
            self._walked[leaf] = tuple(self._walk(leaf, {}))
        return self._walked[leaf]

    def _walk(self, leaf: Guard[Any], found: Mapping[str, object]) -> Iterator[Path]:
        """Yield every path through a leaf that finds these values first."""
        answer = self.ask(leaf, found)
        name = answer.reads[-1] if answer.outcome is None else None
        if name in self.finite:
            for value in self.finite[name]:
                yield from self._walk(leaf, {**found, name: value})
        else:
            yield Path(found, answer._replace(error=None))  # what it raised decides nothing, and would tell paths apart
            if name is not None and (default := self.default(name)) is not UNCLEAR:
                # Until somebody writes it, a run holds its default, and the leaf is asked on that. What it reads beyond
                # has to be known: values that only decide there would be merged, and fields that are would be dead.
                yield from self._walk(leaf, {**found, name: default})

    def _context(self, leaf: Guard[Any], known: Mapping[str, object]) -> Context:
        """Return a context of these values for a leaf, without running its validators."""
        # Validators could refuse or change a partial context. A field without a value holds None here, which no guard
        # sees: the watched view raises before it is read.
        home = self._homes.get(leaf, self.context_type)
        context = object.__new__(home)
        values = {name: known.get(name) for name in home.__pydantic_fields__}
        for slot, value in (
            ("__dict__", values),
            ("__pydantic_fields_set__", set(values)),
            ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):
            object.__setattr__(context, slot, value)
        return context


def combined(values: Mapping[str, Iterable[object]]) -> Iterator[dict[str, object]]:
    """Yield every combination of values of some fields."""
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


class _OpaqueRead(BaseException):
    """Raised when a leaf reads a field without a value; `except Exception` in the guard does not catch it."""


class _LeafRaised(Exception):
    """Raised when a leaf of a composed guard raised, which makes the whole guard false."""


def finite_values(annotation: Any) -> tuple[object, ...] | None:
    """Return every value of a type, each once; None if they cannot be listed, or are more than `MAX_VALUES`."""
    values = _listed(getattr(annotation, "__value__", annotation))
    if values is None:
        return None
    once = tuple({(type(value), value): value for value in values}.values())
    # Equal values of two types, such as 0 and False, make one key of a dict: one of them would be lost.
    are_distinct = len(set(once)) == len(once)
    return once if are_distinct and len(once) <= MAX_VALUES else None


def _listed(annotation: Any) -> tuple[object, ...] | None:
    if annotation is bool:
        return (False, True)
    if annotation is None or annotation is type(None):
        return (None,)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return None if issubclass(annotation, enum.Flag) else tuple(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return arguments
    if origin is Annotated:
        return finite_values(arguments[0])
    if origin in (Union, types.UnionType):
        parts = [finite_values(argument) for argument in arguments]
        return None if None in parts else tuple(value for part in parts for value in part or ())
    return None


def leaves(guard: Guard[Any] | None) -> tuple[Guard[Any], ...]:
    """Return the leaves of a guard, each once, in the order in which they are asked; None has none."""
    if guard is None:
        return ()
    found = [leaf for part in guard.parts for leaf in leaves(part)] if guard.connective else [guard]
    return tuple(dict.fromkeys(found))


def leaves_of(guards: Iterable[Guard[Any] | None]) -> tuple[Guard[Any], ...]:
    """Return the leaves of several guards, each once."""
    return tuple(dict.fromkeys(leaf for guard in guards for leaf in leaves(guard)))


def outcomes(guard: Guard[Any], leaf: Guard[Any]) -> tuple[Outcome, ...]:
    """Return what an opaque leaf may do in a guard; raising is left out where it has the effect of answering no."""
    # A leaf that raises makes the whole guard false. Under `&` alone, answering no does so too. Under `~` or `|` it may
    # not: `~g` holds if g answers no, and does not if g raises.
    return ("yes", "no", "raises") if leaf in _under_not_or_any(guard) else ("yes", "no")


def _under_not_or_any(guard: Guard[Any]) -> tuple[Guard[Any], ...]:
    if guard.connective in ("not", "any"):
        return leaves(guard)
    return tuple(leaf for part in guard.parts for leaf in _under_not_or_any(part))


def decided(guard: Guard[Any], of_leaf: Callable[[Guard[Any]], Outcome]) -> bool:
    """Return whether the guard holds, given its leaves' outcomes.

    A guard does not hold if any leaf it evaluates raises.

    Args:
        of_leaf: returns the outcome of a leaf; called in the order of evaluation, and only where the guard asks.
    """
    try:
        return _holds(guard, of_leaf)
    except _LeafRaised:
        return False


def _holds(guard: Guard[Any], of_leaf: Callable[[Guard[Any]], Outcome]) -> bool:
    match guard.connective:
        case "all":
            return all(_holds(part, of_leaf) for part in guard.parts)
        case "any":
            return any(_holds(part, of_leaf) for part in guard.parts)
        case "not":
            return not _holds(guard.parts[0], of_leaf)
        case None:
            outcome = of_leaf(guard)
            if outcome == "raises":
                raise _LeafRaised
            return outcome == "yes"


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
