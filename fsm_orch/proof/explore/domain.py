"""The domain of a context: which fields have values that can be listed, and what a guard answers on them.

A field is *finite* if its type is a bool, an enum, a Literal, None, or a union of these; any other is *opaque*, and a
guard's leaf that reads an opaque field is unknown: it may answer yes, no, or raise. A leaf is asked on a view of the
context that knows only some fields, so what it reads is seen, and short-circuits count.

A composed guard is decided leaf by leaf, so `g` and `~g` never both hold however opaque g is.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice, product
from typing import Annotated, Any, Literal, NamedTuple, Union

from ...define.context import Context
from ...define.guards import Guard, as_bool
from ...define.watched import watched
from .validation import admitted

MANY = 16
"""A field of more values than these is opaque, or listing them would leave no room for anything else."""

MOST_PATHS = 1_024
"""Combinations of values that one leaf is asked on; if it reads more fields, those it reads last are opaque."""

Outcome = Literal["yes", "no", "raises"]
"""What a leaf did; a guard of which some leaf that was asked raised counts as false."""


class Answer(NamedTuple):
    """What a leaf answers where only some fields are known."""

    outcome: Outcome | None
    """None: unknown, since it read a field that is not known."""
    reads: tuple[str, ...]
    """The fields it read, in order; the last one is not known if the outcome is not."""
    error: str | None = None
    """What it raised."""


class Branching(NamedTuple):
    """Where a leaf reads a finite field: what it answers after each of its values."""

    field: str
    branches: tuple[DecisionTree, ...]


DecisionTree = Branching | Answer
"""What a leaf answers, by the finite fields it reads."""


class Table(NamedTuple):
    """What a guard answers: on all values of the finite fields it reads, and all outcomes of its unknown leaves."""

    fields: tuple[str, ...]
    leaves: tuple[Guard[Any], ...]
    """The leaves that are unknown somewhere."""
    rows: Mapping[tuple[tuple[object, ...], tuple[Outcome, ...]], bool]
    """By the values of the fields and the outcomes of the unknown leaves."""


class Domain:
    """The fields of a context class: those whose values can be listed, and the rest.

    Args:
        guards: list only what these read; None: every field that can be. A field that no guard reads decides nothing.
    """

    def __init__(self, context_type: type[Context], guards: Iterable[Guard[Any]] | None = None) -> None:
        self.context_type = context_type
        is_raw = context_type.model_config.get("use_enum_values")  # then it holds none of an enum's members
        self.finite: dict[str, tuple[object, ...]] = {}
        """Every value of each finite field, in order of declaration."""
        for name, field in context_type.__pydantic_fields__.items():
            values = finite_values(field.annotation) or ()
            is_lost = is_raw and any(isinstance(value, enum.Enum) for value in values)
            if values and not is_lost and (held := admitted(context_type, name, values)):
                self.finite[name] = held
        self._asked: dict[tuple[Guard[Any], tuple[object, ...]], Answer] = {}
        self._trees: dict[Guard[Any], DecisionTree] = {}
        if guards is not None:
            asked = leaves_of(guards)
            for leaf in asked:
                while (last := self._one_too_many(leaf)) is not None:
                    del self.finite[last]
            reads = self.read_by(asked)
            self.finite = {name: values for name, values in self.finite.items() if name in reads}
        self.opaque = tuple(name for name in context_type.__pydantic_fields__ if name not in self.finite)

    def valuations(self, fields: Iterable[str]) -> Iterator[dict[str, object]]:
        """List all values that these finite fields can have together."""
        return combined({name: self.finite[name] for name in fields})

    def lists(self, name: str, value: object) -> bool:
        """Tell whether a value is one of those listed for a field."""
        return any(type(value) is type(listed) and value == listed for listed in self.finite.get(name, ()))

    def distinguished(self, asked: Iterable[Guard[Any]]) -> dict[str, tuple[object, ...]]:
        """Give the values of each finite field that leaves tell apart: of those that are one to all, the first."""
        forks = [fork for leaf in asked for fork in _forks(self._tree(leaf))]
        told: dict[str, tuple[object, ...]] = {}
        for name, values in self.finite.items():
            after = [fork.branches for fork in forks if fork.field == name]
            first: dict[tuple[DecisionTree, ...], object] = {}
            for number, value in enumerate(values):
                first.setdefault(tuple([branches[number] for branches in after]), value)
            told[name] = tuple(first.values())
        return told

    def ask(self, leaf: Guard[Any], known: Mapping[str, object]) -> Answer:
        """Ask a leaf on a context of which only some fields are known."""
        reads: list[str] = []

        def on_read(name: str) -> None:
            reads.append(name)
            if name not in known:
                raise _Unknown

        try:
            answer = as_bool(leaf(watched(self._context(known), on_read)))
            outcome: Outcome | None = "yes" if answer else "no"
            error = None
        except _Unknown:
            outcome, error = None, None
        except Exception as raised:  # a guard is user code: whatever it raises means no
            outcome, error = "raises", f"{type(raised).__name__} in {leaf!r}"
        first_unknown = next((number for number, name in enumerate(reads) if name not in known), None)
        if first_unknown is not None:  # even if the guard swallowed it, as a bare `except` would
            return Answer(None, _once(reads[: first_unknown + 1]))
        return Answer(outcome, _once(reads), error)

    def ask_known(self, leaf: Guard[Any], values: tuple[object, ...]) -> Answer:
        """Ask a leaf on values of all finite fields, in their order; remembers what was answered."""
        key = leaf, values
        if key not in self._asked:
            self._asked[key] = self.ask(leaf, dict(zip(self.finite, values, strict=True)))
        return self._asked[key]

    def reads(self, leaf: Guard[Any]) -> tuple[str, ...]:
        """Tell every field that a leaf reads on some values, in order of declaration.

        What it would read after an opaque field is not seen.
        """
        seen = {name for answer in _ends(self._tree(leaf)) for name in answer.reads}
        return tuple(name for name in self.context_type.__pydantic_fields__ if name in seen)

    def read_by(self, guards: Iterable[Guard[Any] | None]) -> frozenset[str]:
        """Tell every field that some leaf of guards reads; none of None."""
        return frozenset(name for leaf in leaves_of(guards) for name in self.reads(leaf))

    def is_opaque(self, leaf: Guard[Any]) -> bool:
        """Tell whether a leaf is unknown on some values of the finite fields."""
        return any(answer.outcome is None for answer in _ends(self._tree(leaf)))

    def _one_too_many(self, leaf: Guard[Any]) -> str | None:
        """Tell the finite field that a leaf reads last, if there are too many paths through those it reads."""
        beyond = next(islice(self._paths(leaf, {}), MOST_PATHS, None), None)
        return None if beyond is None else [name for name in beyond.reads if name in self.finite][-1]

    def _paths(self, leaf: Guard[Any], known: Mapping[str, object]) -> Iterator[Answer]:
        """Ask a leaf along every path through the finite fields that it reads."""
        answer = self.ask(leaf, known)
        if answer.outcome is None and answer.reads[-1] in self.finite:
            for value in self.finite[answer.reads[-1]]:
                yield from self._paths(leaf, {**known, answer.reads[-1]: value})
        else:
            yield answer

    def _tree(self, leaf: Guard[Any]) -> DecisionTree:
        """Write out what a leaf answers along every path through the finite fields that it reads; remembers it."""
        if leaf not in self._trees:
            self._trees[leaf] = self._grown(leaf, {})
        return self._trees[leaf]

    def _grown(self, leaf: Guard[Any], known: Mapping[str, object]) -> DecisionTree:
        answer = self.ask(leaf, known)
        if answer.outcome is not None or answer.reads[-1] not in self.finite:
            return answer._replace(error=None)
        name = answer.reads[-1]
        return Branching(name, tuple([self._grown(leaf, {**known, name: value}) for value in self.finite[name]]))

    def holds(self, guard: Guard[Any], known: Mapping[str, object]) -> bool | None:
        """Tell whether a guard holds where only some fields are known; None if it may and may not."""
        unknown = [leaf for leaf in leaves(guard) if self.ask(leaf, known).outcome is None]
        found = {self._holds(guard, known, given) for given in _all_outcomes(guard, unknown)}
        return found.pop() if len(found) == 1 else None

    def table(self, guard: Guard[Any]) -> Table:
        """Write out a guard over the finite fields that it reads and its unknown leaves."""
        read = self.read_by([guard])
        fields = tuple(name for name in self.finite if name in read)
        unknown = tuple(leaf for leaf in leaves(guard) if self.is_opaque(leaf))
        rows = {
            (tuple(known.values()), tuple(given.values())): self._holds(guard, known, given)
            for known in self.valuations(fields)
            for given in _all_outcomes(guard, unknown)
        }
        return Table(fields, unknown, rows)

    def _holds(self, guard: Guard[Any], known: Mapping[str, object], given: Mapping[Guard[Any], Outcome]) -> bool:
        return decided(guard, lambda leaf: self.ask(leaf, known).outcome or given[leaf])

    def _context(self, known: Mapping[str, object]) -> Context:
        """Make a context without asking its validators; what is not known is never read."""
        context = object.__new__(self.context_type)
        values = {name: known.get(name) for name in self.context_type.__pydantic_fields__}
        for slot, value in (
            ("__dict__", values),
            ("__pydantic_fields_set__", set(values)),
            ("__pydantic_extra__", None),
            ("__pydantic_private__", None),
        ):
            object.__setattr__(context, slot, value)
        return context


def combined(values: Mapping[str, Iterable[object]]) -> Iterator[dict[str, object]]:
    """List all combinations of values of some fields."""
    for chosen in product(*values.values()):
        yield dict(zip(values, chosen, strict=True))


def _forks(tree: DecisionTree) -> Iterator[Branching]:
    """List every fork of a tree."""
    if isinstance(tree, Branching):
        yield tree
        for branch in tree.branches:
            yield from _forks(branch)


def _ends(tree: DecisionTree) -> Iterator[Answer]:
    """List what a tree answers in the end, path by path."""
    if isinstance(tree, Branching):
        for branch in tree.branches:
            yield from _ends(branch)
    else:
        yield tree


class _Unknown(BaseException):
    """A leaf read a field that is not known; no `except Exception` of a guard may swallow it."""


class _Raises(Exception):
    """A leaf raised."""


def finite_values(annotation: Any) -> tuple[object, ...] | None:
    """List every value of a type; None if they cannot be listed, or are too many."""
    values = _listed(getattr(annotation, "__value__", annotation))
    if values is None:
        return None
    once = tuple({(type(value), value): value for value in values}.values())
    is_told_apart = len(set(once)) == len(once)  # 0 and False are equal, and would be taken for one value
    return once if is_told_apart and len(once) <= MANY else None


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
    """Tell the leaves of a guard, each once, in the order in which they are asked; none of None."""
    if guard is None:
        return ()
    found = [leaf for part in guard.parts for leaf in leaves(part)] if guard.connective else [guard]
    return tuple(dict.fromkeys(found))


def leaves_of(guards: Iterable[Guard[Any] | None]) -> tuple[Guard[Any], ...]:
    """Tell the leaves of several guards, each once."""
    return tuple(dict.fromkeys(leaf for guard in guards for leaf in leaves(guard)))


def outcomes(guard: Guard[Any], leaf: Guard[Any]) -> tuple[Outcome, ...]:
    """Tell what an unknown leaf may do in a guard; where raising is the same as answering no, it is left out."""
    return ("yes", "no", "raises") if leaf in _under_not_or_any(guard) else ("yes", "no")


def _all_outcomes(guard: Guard[Any], unknown: Iterable[Guard[Any]]) -> Iterator[dict[Guard[Any], Outcome]]:
    names = tuple(unknown)
    for given in product(*(outcomes(guard, leaf) for leaf in names)):
        yield dict(zip(names, given, strict=True))


def _under_not_or_any(guard: Guard[Any]) -> tuple[Guard[Any], ...]:
    if guard.connective in ("not", "any"):
        return leaves(guard)
    return tuple(leaf for part in guard.parts for leaf in _under_not_or_any(part))


def decided(guard: Guard[Any], of_leaf: Callable[[Guard[Any]], Outcome]) -> bool:
    """Tell whether a guard holds, given what its leaves do; one of which a leaf that is asked raises does not."""
    try:
        return _holds(guard, of_leaf)
    except _Raises:
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
                raise _Raises
            return outcome == "yes"


def _once(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
