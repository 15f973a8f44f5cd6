"""The contexts of two versions: what of one the other may not take, and one with the fields of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ConfigDict, create_model

from ...define.any_text import takes_any_text
from ...define.context import Context, starting_fields
from ...define.definition import Definition
from ...define.dialect import Json, dialect_of
from ...errors import Finding
from ..explore.automata import guards
from ..explore.domain import leaves_of
from ..explore.reads import may_read
from ..explore.validation import UNCLEAR, default_of, has_validators


def lost_at_start(old: type[Context], new: type[Context]) -> str | None:
    """Return why the new version cannot begin on what a run of the old one began with; None if it can."""
    if old is new:
        return None
    return next(_lost(old, new), None)


def _lost(old: type[Context], new: type[Context]) -> Iterator[str]:
    given, known, may_come = starting_fields(old).journaled, old.__pydantic_fields__, starting_fields(new).given
    for name, field in new.__pydantic_fields__.items():
        if field.is_required() and name not in known:
            yield f"its context does not fit: {name}: Field required"
        elif field.is_required() and not known[name].is_required():
            yield f"its context does not fit where it was begun without {name}: Field required"
    for name in known:
        if name in given and name not in new.__pydantic_fields__:
            yield f"its context does not fit: {name}: it has no such field any more"
        elif name in given and name not in may_come:
            yield f"its context does not fit: {name}: only agents write it now"
        elif name in new.__pydantic_fields__ and not _is_same_default(old, new, name):
            yield f"{name} begins with another default"


def _is_same_default(old: type[Context], new: type[Context], name: str) -> bool:
    one, other = old.__pydantic_fields__[name], new.__pydantic_fields__[name]
    if one.is_required() or other.is_required():
        return True
    if one.default_factory is not None or other.default_factory is not None:
        return one.default_factory is other.default_factory
    mine, theirs = default_of(old, name), default_of(new, name)
    return mine is not UNCLEAR and bool(type(mine) is type(theirs) and mine == theirs)


def may_look_at(new: Definition, redacted: Iterable[str]) -> str | None:
    """Return what of the new version may look at a field whose text was redacted; None if nothing does.

    It would decide by the word that stands there now, and no longer by what was written.
    """
    asked = leaves_of(guards(new, new.policies))
    for name in redacted:
        if name in new.context.__pydantic_fields__ and not takes_any_text(new.context, name):
            return f"{name} was redacted, and the new version may not take what it held"
        reader = next((leaf for leaf in asked if name in may_read(leaf, new.context)), None)
        if reader is not None:
            return f"{name} was redacted, and guard {reader!r} of the new version may read it"
    return None


def fits(old: type[Context], new: type[Context]) -> str | None:
    """Return which values of the old context may not be ones of the new; None if all are."""
    if old is new:
        return None
    if has_validators(old) or has_validators(new):
        return f"the validators of {new.__name__} may refuse, or change, what those of the old version did not"
    if _settings(old) != _settings(new):
        return f"the settings of {new.__name__} are others now, which may refuse a value, or change it"
    both = [name for name in old.__pydantic_fields__ if name in new.__pydantic_fields__]
    changed = [name for name in both if _is_other(old, new, name)]
    return f"{', '.join(changed)}: of another type now, which may refuse a value" if changed else None


def _settings(context: type[Context]) -> object:
    """Return all that is said of a context besides its fields."""
    told = dialect_of(context)
    return {key: value for key, value in told["types"][told["name"]].items() if key != "fields"}


def _is_other(old: type[Context], new: type[Context], name: str) -> bool:
    one, other = old.__pydantic_fields__[name], new.__pydantic_fields__[name]
    return one.rebuild_annotation() != other.rebuild_annotation() and type_of(old, name) != type_of(new, name)


def type_of(context: type[Context], name: str) -> object:
    """Return the type of a field, with those that it is made of, as a digest tells it."""
    own, others = own_and_others(dialect_of(context))
    field = next(field for field in own["fields"] if field["name"] == name)
    return {key: value for key, value in field.items() if key not in ("default", "required", "mark")}, others


def own_and_others(told: Mapping[str, Any]) -> tuple[Json, Json]:
    """Return what a digest tells of a class, without its name, and of those that it is made of, by theirs."""
    others = {name: said for name, said in told["types"].items() if name != told["name"]}
    return told["types"][told["name"]], others


class _Joined(Context):
    """The base of contexts that have the fields of two versions."""

    model_config = ConfigDict(protected_namespaces=())

    @classmethod
    def _findings(cls, names: Mapping[str, Any]) -> tuple[Finding, ...]:  # noqa: ARG003
        return ()  # no run holds one


def joined(old: type[Context], new: type[Context]) -> type[Context]:
    """Return a context class with the fields of two: those of the old version as they are there, then the others."""
    known, fields = old.__pydantic_fields__, new.__pydantic_fields__
    others = {name: (field.rebuild_annotation(), field) for name, field in fields.items() if name not in known}
    if not others:
        return old
    made: type[Context] = create_model(old.__name__, __base__=(old, _Joined), **others)  # type: ignore[call-overload]
    return made
