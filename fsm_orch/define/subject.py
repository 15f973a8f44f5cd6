"""What a policy can speak of: a state, a final state, a handoff, a tool, a guard, or several joined by `|`."""

from __future__ import annotations

from typing import Any

from .guards import Guard, as_written


class Subject:
    """What a policy can speak of: a state, a final state, a handoff, or several joined by `|`, guards among them."""

    __slots__ = ()
    name: str = ""
    """The attribute of its machine; a join has none, nor has the use of a tool."""

    @property
    def title(self) -> str:
        """What policies call it."""
        return self.name

    @property
    def alternatives(self) -> tuple[Subject | Guard[Any], ...]:
        """What it joins; itself, if it is one thing."""
        return (self,)

    def __or__(self, other: Subject | Guard[Any]) -> Subject:
        return _joined(self, other)

    def __bool__(self) -> bool:
        # as of a guard: `never(a or b)` would be `never(a)`, in silence
        raise TypeError("join states and handoffs with |, not with and, or, not")

    def __ror__(self, other: Guard[Any]) -> Subject:
        return _joined(other, self)


Atom = Subject | Guard[Any]


class _Either(Subject):
    """Several things of which any one will do."""

    __slots__ = ("_alternatives",)

    def __init__(self, alternatives: tuple[Atom, ...]) -> None:
        self._alternatives = alternatives

    @property
    def alternatives(self) -> tuple[Atom, ...]:
        return self._alternatives

    def __repr__(self) -> str:
        return listed(self._alternatives)


def _joined(one: Atom, other: Atom) -> Subject:
    for atom in one, other:
        if not isinstance(atom, Subject | Guard):
            return NotImplemented
    return _Either((*alternatives(one), *alternatives(other)))


def alternatives(subject: Atom) -> tuple[Atom, ...]:
    """Return the things that a subject joins; itself alone if it joins none.

    Raises TypeError: if it is nothing that a policy can speak of, such as a name.
    """
    if isinstance(subject, Guard):
        return (subject,)
    if isinstance(subject, Subject):
        return subject.alternatives
    raise TypeError(f"a policy speaks of states, final states, handoffs, tools and guards, not of {subject!r}")


def listed(atoms: tuple[Atom, ...]) -> str:
    """Return the names of what is joined, as a user writes them: `refund | is_large`."""
    if len(atoms) == 1 and isinstance(atoms[0], Guard):
        return as_written(atoms[0])
    return " | ".join(repr(atom) if isinstance(atom, Guard) else atom.title or repr(atom) for atom in atoms)
