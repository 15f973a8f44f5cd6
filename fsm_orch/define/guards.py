"""Guards: pure predicates of a context, composable with `&`, `|` and `~`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NoReturn, TypeVar

from .annotations import annotated_context
from .context import Context
from .sealed import Sealed, read_only
from .source import qualified_name, where_defined

C_contra = TypeVar("C_contra", bound=Context, contravariant=True)
Connective = Literal["all", "any", "not"]
"""What joins guards into one."""


class Guard(Sealed, Generic[C_contra]):
    """A pure predicate of the context.

    A guard is evaluated many times, so it must be quick, answer a bool, and depend on its context alone.
    One that raises counts as false and is recorded; so does one that answers anything but a bool.
    """

    __slots__ = ("canonical", "connective", "contexts", "depth", "leaves", "parts", "predicate", "where")

    def __init__(
        self,
        predicate: Callable[[C_contra], bool],
        canonical: object,
        contexts: tuple[type[Context], ...],
        where: str,
        *,
        connective: Connective | None = None,
        parts: tuple[Guard[Any], ...] = (),
    ) -> None:
        self.predicate = predicate
        self.canonical = read_only(canonical)
        """A JSON value that names this guard in a digest; None if it has no name."""
        self.contexts = contexts
        """The context classes that it is annotated for."""
        self.where = where
        self.connective: Connective | None = connective
        """How its parts are joined; None for a *leaf*, which is one predicate."""
        self.parts = parts
        """The guards that it is composed of, in the order in which they are asked; none for a leaf."""
        self.leaves: int = sum(part.leaves for part in parts) or 1
        """How many predicates it asks at most; one that stands in it twice counts twice."""
        self.depth: int = 1 + max((part.depth for part in parts), default=0)
        """How many guards stand inside each other."""
        self.seal()

    def __call__(self, context: C_contra) -> bool:
        return self.predicate(context)

    def __and__(self, other: Guard[C_contra]) -> Guard[C_contra]:
        if other is self:
            return self
        return all_of(self, other) if isinstance(other, Guard) else NotImplemented  # type: ignore[redundant-expr]

    def __or__(self, other: Guard[C_contra]) -> Guard[C_contra]:
        if other is self:
            return self
        # what is not a guard, such as a state, may join from its side
        return any_of(self, other) if isinstance(other, Guard) else NotImplemented  # type: ignore[redundant-expr]

    def __invert__(self) -> Guard[C_contra]:
        return not_(self)

    def __bool__(self) -> NoReturn:
        # Python asks this for `and`, `or` and `not`, and would keep one of the guards and drop the others in silence
        raise TypeError("join guards with &, | and ~, not with and, or, not")

    def __repr__(self) -> str:
        return _show(self.canonical)


def guard(predicate: Callable[[C_contra], bool]) -> Guard[C_contra]:
    """Make a guard of a predicate; used as a decorator.

    The context class is read from the annotation of its parameter, and checked when a machine is built.

    It may be asked on a view of the context that notes what is read: `isinstance(ticket, Ticket)` sees through it,
    `type(ticket) is Ticket` and `object.__getattribute__(ticket, ...)` do not, so a guard does without these two.

    Raises TypeError: if the predicate is not a plain function of one argument, such as a class or an async function.
    """
    _check_predicate(predicate)
    name = qualified_name(predicate)
    annotated = annotated_context(predicate, sys._getframe(1).f_locals)
    return Guard(predicate, name, (annotated,) if annotated else (), where_defined(predicate))


_LATE = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
"""Whether a function returns something that is still to be asked."""


def _check_predicate(predicate: object) -> None:
    what = getattr(predicate, "__name__", None) or repr(predicate)
    if isinstance(predicate, type) or not callable(predicate):
        raise TypeError(f"a guard is made of a function of the context, not of {what}: write one and decorate it")
    # the second is of an instance, such as a guard with a threshold
    if any(is_late(asked) for asked in (predicate, type(predicate).__call__) for is_late in _LATE):
        raise TypeError(f"a guard returns a bool at once, and {what} is async or a generator: write a plain function")
    try:
        signature = inspect.signature(predicate)
    except ValueError:  # some functions written in C have none
        return
    try:
        signature.bind(None)
    except TypeError:
        how = f"a guard takes the context and no more, and {what} takes {signature}: give it one parameter"
        raise TypeError(how) from None


def all_of(*guards: Guard[C_contra]) -> Guard[C_contra]:
    """Return a guard that holds if every one holds; later ones are not asked once one does not.

    Raises ValueError: if it would be joined of more than 1,000 predicates, or 100 inside each other.
    """
    guards = tuple(dict.fromkeys(guards))  # a guard is pure, so it is not asked twice
    return _composed("all", guards, lambda context: all(as_bool(g(context)) for g in guards))


def any_of(*guards: Guard[C_contra]) -> Guard[C_contra]:
    """Return a guard that holds if some guard holds; later ones are not asked once one does.

    Raises ValueError: if it would be joined of more than 1,000 predicates, or 100 inside each other.
    """
    guards = tuple(dict.fromkeys(guards))
    return _composed("any", guards, lambda context: any(as_bool(g(context)) for g in guards))


def not_(inner: Guard[C_contra]) -> Guard[C_contra]:
    """Return a guard that holds if another does not; one that raises counts as false even then."""
    return _composed("not", (inner,), lambda context: not as_bool(inner(context)))


def as_bool(answer: object) -> bool:
    """Return the guard's answer; refuse anything but a bool.

    Raises TypeError: if it is anything else, such as a truthy string.
    """
    if not isinstance(answer, bool):  # a truthy string is most often a forgotten call, so it is not a yes
        raise TypeError(f"a guard answers True or False, not {type(answer).__name__}")
    return answer


_MOST_LEAVES, _MOST_DEEP = 1_000, 100
"""A guard that is joined with itself again and again doubles each time: by these it is found where it is made."""


def _composed(
    connective: Connective, guards: tuple[Guard[Any], ...], predicate: Callable[[C_contra], bool]
) -> Guard[C_contra]:
    if sum(g.leaves for g in guards) > _MOST_LEAVES or any(g.depth >= _MOST_DEEP for g in guards):
        raise ValueError(
            f"a guard is joined of {_MOST_LEAVES} predicates at most, {_MOST_DEEP} inside each other, and this is of "
            "more: write the whole as one function, or join many at once with all_of or any_of"
        )
    parts = [g.canonical for g in guards]
    return Guard(
        predicate,
        None if None in parts else {connective: parts},
        tuple(dict.fromkeys(context for g in guards for context in g.contexts)),
        guards[0].where if guards else "unknown",
        connective=connective,
        parts=guards,
    )


def as_written(guard: Guard[Any]) -> str:
    """Return a guard as a user writes it where it stands alone: without parentheses around the whole."""
    return repr(guard)[1:-1] if guard.connective in ("all", "any") and guard.canonical is not None else repr(guard)


def negated(guard: Guard[Any]) -> Guard[Any]:
    """Return a guard that holds where another does not and nothing raises, with as few `~` as a user would write."""
    if guard.connective == "not":
        return guard.parts[0]
    # by De Morgan, which asks the same leaves in the same order; where no part is negated it would only add `~`
    if guard.connective is not None and any(part.connective == "not" for part in guard.parts):
        return (all_of if guard.connective == "any" else any_of)(*map(negated, guard.parts))
    return ~guard


def both(one: Guard[Any] | None, other: Guard[Any]) -> Guard[Any]:
    """Return a guard that holds where both do; what both ask is asked once."""
    conjuncts = [part for guard in (one, other) if guard is not None for part in _conjuncts(guard)]
    once = tuple(dict.fromkeys(conjuncts))
    return once[0] if len(once) == 1 else all_of(*once)


def _conjuncts(guard: Guard[Any]) -> tuple[Guard[Any], ...]:
    return guard.parts if guard.connective == "all" else (guard,)


def _show(canonical: object) -> str:
    if isinstance(canonical, Mapping):
        ((connective, parts),) = canonical.items()
        shown = [_show(part) for part in parts]
        return (
            f"~{shown[0]}" if connective == "not" else "(" + {"all": " & ", "any": " | "}[connective].join(shown) + ")"
        )
    return "<unnamed guard>" if canonical is None else str(canonical).rpartition(":")[2].rpartition(".")[2]
