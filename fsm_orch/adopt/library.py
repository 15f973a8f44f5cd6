"""What objects of other libraries hold, read by name; nothing of those libraries is imported.

Names are gone some day, above all private ones. Every one is read here, so that its loss is an error that names the
library, its installed version and what was missing, and so that a test can write down all that a reader reads.
"""

import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import NoReturn

from ..errors import Unreadable
from .asked import attribute, is_an, package_of

_GONE = object()

MOST = 5_000
"""Of agents, or of what one attribute holds; more come of an object that makes another whenever it is read."""


@dataclass(frozen=True, slots=True)
class Library:
    """Another library, as far as its objects are read."""

    name: str
    """As it calls itself, such as `Burr`."""

    package: str
    """What is installed, such as `apache-burr`."""

    module: str
    """What is imported, such as `burr`."""

    tried: str
    """The versions that its reader was tried with."""

    siblings: tuple[str, ...] = ()
    """Other modules of those who make it."""

    def made(self, thing: object, *classes: str) -> bool:
        """Return whether an object, or a class itself, is of one of these classes of the library, or of any of it."""
        kind = thing if is_an(thing, type) else type(thing)
        return any(self.wrote(base) and (not classes or base.__name__ in classes) for base in kind.__mro__)

    def wrote(self, made: object) -> bool:
        """Return whether a function, or a class whatever it inherits from, is one of the library's."""
        return package_of(made) == self.module

    def methods_around(self, kind: type) -> dict[str, object]:
        """Return the methods that a class has from outside the library, by name; of two of one name the nearest."""
        found: dict[str, object] = {}
        for base in kind.__mro__:
            for name, value in vars(base).items() if not self.wrote(base) and base is not object else ():
                if callable(value) and not name.startswith("__"):
                    found.setdefault(name, value)
        return found

    def get(self, thing: object, name: str) -> object:
        """Return an attribute, or what a mapping holds under that key.

        Raises:
            Unreadable: if there is none.
        """
        found = self.find(thing, name, _GONE)
        if found is _GONE:
            raise self.gone(thing, f"has no {name!r}")
        return found

    def find(self, thing: object, name: str, default: object = None) -> object:
        """Return an attribute, or what a mapping holds under that key; else the default.

        Raises:
            Unreadable: if the thing raises when it is asked for it: what it holds may ask models.
        """
        try:
            return thing.get(name, default) if isinstance(thing, Mapping) else getattr(thing, name, default)
        except Exception as error:
            raise self.gone(thing, f"raised {type(error).__name__} when it was asked for {name!r}") from None

    def call(self, thing: object, name: str) -> object:
        """Return what a method without arguments returns.

        Raises:
            Unreadable: if there is none.
        """
        method = self.get(thing, name)
        if not callable(method):
            raise self.gone(thing, f"cannot be asked for {name}()")
        return method()

    def text(self, thing: object, name: str) -> str:
        """Return an attribute that must be text.

        Raises:
            Unreadable: if it is not, or is not there.
        """
        found = self.get(thing, name)
        return found if isinstance(found, str) else self._wrong(thing, name, found, "text")

    def words(self, thing: object, name: str) -> str:
        """Return an attribute that is text or None, which is taken as no text.

        Raises:
            Unreadable: if it is neither, or is not there.
        """
        return "" if self.get(thing, name) is None else self.text(thing, name)

    def number(self, thing: object, name: str) -> int | None:
        """Return an attribute that must be a whole number or None.

        Raises:
            Unreadable: if it is neither, or is not there.
        """
        found = self.get(thing, name)
        if found is None or (isinstance(found, int) and not isinstance(found, bool)):
            return found
        return self._wrong(thing, name, found, "a whole number")

    def many(self, thing: object, name: str) -> list[object]:
        """Return what an attribute holds, which must be a collection or None; of a mapping its values.

        Raises:
            Unreadable: if it is neither, or is not there.
        """
        return self.listed(self.get(thing, name), thing, name)

    def listed(self, found: object, thing: object, name: str) -> list[object]:
        """Return the items of a collection that was read of a thing under a name; of a mapping its values.

        Raises:
            Unreadable: if it is no collection and not None.
        """
        if found is None:
            return []
        if isinstance(found, Mapping):
            found = found.values()
        if isinstance(found, Collection) and not isinstance(found, str | bytes):
            items = list(islice(found, MOST + 1))
            self.check_count(len(items), f"things under {name!r}")
            return items
        return self._wrong(thing, name, found, "a collection")

    def check_count(self, count: int, what: str) -> None:
        """Check that there is an end to what is read.

        Raises:
            Unreadable: if there are more than 5,000.
        """
        if count > MOST:
            raise Unreadable(
                f"{self.name} cannot be read: there are more than {MOST:,} {what}. Expected: a graph that is whole "
                f"before it is read. Fix: build it at once, and not as it is looked at."
            )

    def names(self, thing: object, name: str) -> tuple[str, ...]:
        """Return the texts that an attribute holds; of a mapping its keys.

        Raises:
            Unreadable: if it is no collection of texts, or is not there.
        """
        found = self.get(thing, name)
        return self.texts(list(found) if isinstance(found, Mapping) else self.listed(found, thing, name), thing, name)

    def texts(self, found: Iterable[object], thing: object, name: str) -> tuple[str, ...]:
        """Return items that must all be text.

        Raises:
            Unreadable: if one is not.
        """
        return tuple(
            item if isinstance(item, str) else self._wrong(thing, name, item, "a text in each place") for item in found
        )

    def table(self, thing: object, name: str) -> dict[str, object]:
        """Return what an attribute holds by name, which must be a mapping with texts as keys.

        Raises:
            Unreadable: if it is not, or is not there.
        """
        found = self.get(thing, name)
        if not isinstance(found, Mapping):
            return self._wrong(thing, name, found, "a mapping")
        return {key: found[key] for key in self.names(thing, name)}

    def constant(self, module: str, name: str, tried: int) -> int:
        """Return a number that stands in a module of the library, which its objects have loaded.

        Args:
            tried: The number in the version that was tried, for objects that are there without their library.

        Raises:
            Unreadable: if the module is loaded, and has no such number.
        """
        loaded = sys.modules.get(module)
        if loaded is None:
            return tried
        return self.number(loaded, name) or tried

    def answer(self, module: str, name: str) -> str | None:
        """Return the text that a function without arguments of a loaded module returns; None if there is none.

        Args:
            module: Of the library, such as `agents.models.default_models`.
            name: Of the function.
        """
        function = getattr(sys.modules.get(module), name, None)
        said = function() if callable(function) else None
        return said if isinstance(said, str) else None

    def gone(self, thing: object, what: str) -> Unreadable:
        """Return the error for what was read of a thing once, and is not there."""
        return Unreadable(
            f"{self.name} cannot be read: {_shown(thing)} {what}, in {self.package} {self.version()}. "
            f"Expected: what {self.tried} has, which this reader was tried with. "
            f"Fix: import with {self.package} {self.tried}, or report this message."
        )

    def version(self) -> str:
        """Return which version is installed, or that none is."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "(not installed)"

    def _wrong(self, thing: object, name: str, found: object, expected: str) -> NoReturn:
        raise self.gone(thing, f"holds {_shown(found)} under {name!r}, not {expected}")


def called(thing: object) -> str:
    """Return the name of a function or class; of any other thing, that of its class."""
    name = attribute(thing, "__qualname__") or attribute(thing, "__name__")
    return name.rpartition("<locals>.")[2] if is_an(name, str) else type(thing).__name__


def _shown(thing: object) -> str:
    """Return what a message calls a thing: its class, without what it holds, which may be secret."""
    if issubclass(type(thing), Mapping):
        return "a mapping"
    return f"the class {thing.__name__}" if is_an(thing, type) else type(thing).__name__
