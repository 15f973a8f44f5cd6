"""What code of the user's a framework runs beside that of its nodes, such as hooks, and whether it asks models."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import BuiltinFunctionType, FunctionType

from ..define.wording import number_of
from .asked import attribute, is_an, package_of
from .functions import SDKS, plain
from .library import MOST, Library
from .work import count

_VALUES = (str, bytes, int, float, complex, type, BuiltinFunctionType)
"""What is no code of anybody's."""

_PYTHON = ("builtins", "functools", "operator", "typing", "types", "abc", "pydantic")
"""Whose code asks no models."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Something that may hold code of the user's."""

    key: str
    """Of the node that it is of."""

    noun: str
    """What it is, such as `hook`."""

    held: object
    """A function, an object with methods, several of them, or None."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of code beside nodes, one clause each."""

    uncounted: tuple[str, ...]
    """What asks models, and is not in the number."""

    assumed: tuple[str, ...]
    """Where no request was seen."""


def told(library: Library, each: Iterable[Beside]) -> Told:
    """Return what is said of code that is run beside nodes; of the library's own nothing is.

    Args:
        library: Whose nodes these are.
        each: What may hold such code.
    """
    asking: dict[str, Counter[str]] = {}
    silent: dict[str, Counter[str]] = {}
    for one in each:
        for held in _apart(one.held):
            functions = _functions(library, held)
            if functions is not None:
                kind = asking if any(map(_asks, functions)) else silent
                kind.setdefault(one.noun, Counter())[one.key] += 1
    return Told(
        uncounted=tuple(
            f"what {_shown(noun, keys)} {'asks' if keys.total() == 1 else 'ask'} of models"
            for noun, keys in asking.items()
        ),
        assumed=tuple(
            f"no request to a model in {_shown(noun, keys)}: none was seen there" for noun, keys in silent.items()
        ),
    )


def overriding(library: Library, key: str, thing: object, *, but: Collection[str] = ()) -> Beside:
    """Return the methods that the user's class of a thing, or the thing alone, has in the place of the library's.

    Args:
        library: Whose class its own is made of.
        key: Of its node.
        thing: An object, or a class.
        but: Names of methods that are read as nodes.
    """
    kind = thing if is_an(thing, type) else type(thing)
    theirs = {
        name
        for base in kind.__mro__
        for name, each in vars(base).items()
        if library.wrote(base) and isinstance(each, FunctionType | classmethod | staticmethod)
    } - {*but}
    put = {} if is_an(thing, type) else attribute(thing, "__dict__", {})
    own = {**library.methods_around(kind), **put}
    return Beside(key, "own method", {name: own[name] for name in sorted(theirs & own.keys())})


def clients(library: Library, held: Mapping[str, object]) -> Iterator[str]:
    """Yield what is taken for granted of clients of models whose classes are the user's, or others that are not known.

    Args:
        library: Whose nodes these are.
        held: The client of each node, by its key.
    """
    classes = {key: type(client) for key, client in held.items() if not _is_value(client)}
    own = [key for key, kind in classes.items() if _is_own(library, kind) and package_of(kind) not in SDKS]
    if own:
        yield f"one request to a model for each that is asked of the client of {', '.join(own)}: its class is not known"


def _shown(noun: str, keys: Counter[str]) -> str:
    return f"{number_of(keys.total(), noun)} of {', '.join(keys)}"


def _apart(held: object) -> Iterator[object]:
    """Yield the parts of a collection, or the thing itself."""
    if is_an(held, Mapping):  # type: ignore[type-abstract] # it is only looked for among the classes of a thing
        held = [*held.values()]
    if is_an(held, list, tuple, set, frozenset):
        yield from islice(held, MOST)
    else:
        yield held


def _functions(library: Library, held: object) -> list[object] | None:
    """Return what code of the user's a thing holds, none of which may be in Python; None if it is no code of theirs."""
    if _is_value(held):
        return None
    function = plain(held)
    if function is not None:
        return [function] if _is_own(library, function) else None
    if not _is_own(library, type(held)):
        return None
    methods = [*library.methods_around(type(held)).values(), *([type(held).__call__] if callable(held) else [])]
    return [each for each in methods if _is_own(library, plain(each))]


def _is_value(held: object) -> bool:
    return held is None or is_an(held, *_VALUES)


def _asks(function: object) -> bool:
    found = plain(function)
    return found is not None and count(found) != 0


def _is_own(library: Library, written: object) -> bool:
    """Return whether a function or class is the user's: neither the library's nor Python's."""
    return package_of(written) not in {library.module, *library.siblings, *_PYTHON}
