"""What is declared is closed for good once it is sealed: it takes no assignment, and a copy of it is itself."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from ..errors import IsFrozen

S = TypeVar("S", bound="Sealed")


class Sealed:
    """Something that is filled in while it is declared, and never again.

    Whoever is handed it, such as an agent its state, cannot change what the machine does. Where a subclass names its
    slots, there is no `__dict__` for `vars` to show, and `object.__setattr__` is refused too.
    """

    __slots__ = ("_is_sealed",)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name in cls.__dict__.get("__slots__", ()):
            setattr(cls, name, _guarded(name, cls.__dict__[name]))

    @property
    def is_sealed(self) -> bool:
        """Whether it takes no assignment any more."""
        return getattr(self, "_is_sealed", False)

    def seal(self) -> None:
        """Refuse every later assignment."""
        if not self.is_sealed:
            self._is_sealed = True

    def __setattr__(self, name: str, value: object) -> None:
        if self.is_sealed:
            self._refuse(name)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if self.is_sealed:
            self._refuse(name)
        object.__delattr__(self, name)

    def _refuse(self, name: str) -> NoReturn:
        raise IsFrozen(
            f"{name!r} of {self!r} cannot be changed: a machine is frozen once it is built. Declare it in its class"
        )

    def __copy__(self: S) -> S:
        return self  # what never changes needs no copy, and is compared with `is`

    def __deepcopy__(self: S, memo: dict[int, Any]) -> S:
        return self


def _guarded(name: str, slot: Any) -> property:
    """Return a slot as a property that is written only until its object is sealed."""

    def fill(self: Sealed, value: object) -> None:
        if self.is_sealed:
            self._refuse(name)
        slot.__set__(self, value)

    def empty(self: Sealed) -> None:
        if self.is_sealed:
            self._refuse(name)
        slot.__delete__(self)

    return property(slot.__get__, fill, empty)


setattr(Sealed, "_is_sealed", _guarded("_is_sealed", vars(Sealed)["_is_sealed"]))  # noqa: B010


def read_only(json: Any) -> Any:
    """Return a JSON value in which nothing can be changed; written as JSON, by `default=dict`, it is the same text."""
    if isinstance(json, Mapping):
        return MappingProxyType({key: read_only(value) for key, value in json.items()})
    return tuple(map(read_only, json)) if isinstance(json, list | tuple) else json


def remade(part: S, **changes: object) -> S:
    """Return another of the kind with some attributes changed; it is open until it is sealed."""
    made = object.__new__(type(part))
    for kind in type(part).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if name != "_is_sealed" and hasattr(part, name):
                object.__setattr__(made, name, getattr(part, name))
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made
