"""Signatures: what a model is asked for to use a function or to run a machine, and what a function returns.

Two parameters of a function are not the model's: `key`, the idempotency key of the use, and `deps`, the dependencies of
the run.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic_core import from_json, to_json

from .context import Context, given_fields
from .dialect import dialect_of
from .source import qualified_name
from .strict import Json, Unsayable, said
from .wording import kind_of

OURS = frozenset({"key", "deps"})
"""Parameters that are filled in for the model."""


class Misfit(ValueError):
    """Arguments do not fit; the message tells the model that wrote them why."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a model fills in."""

    reader: type[BaseModel]
    schema: Json
    has_places: bool
    """Whether a tuple of fixed length is among them: see `strict`."""

    def read(self, given: Mapping[str, Any]) -> Json:
        """Return what came as a journal holds it.

        Raises ValidationError: if it does not fit, read strictly.
        """
        read = self.reader.model_validate_json(to_json(given), strict=True)
        written: Json = from_json(read.model_dump_json(by_alias=True, warnings=False))
        return written

    def opened(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that a journal holds, by name."""
        read = self.reader.model_validate_json(to_json(written))
        return {_named(name, info): getattr(read, name) for name, info in self.reader.__pydantic_fields__.items()}

    @property
    def annotations(self) -> dict[str, Any]:
        """By argument, its type."""
        return {_named(name, info): info.annotation for name, info in self.reader.__pydantic_fields__.items()}

    @property
    def canonical(self) -> Json:
        """What they can hold, as a digest tells it."""
        return dialect_of(self.reader)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A function as a tool."""

    description: str
    arguments: Arguments
    returns: TypeAdapter[Any]
    takes: frozenset[str]
    """The parameters that it has and that are not the model's."""
    deps: object
    """The type of dependencies that it is annotated for; None if it takes none, or does not say."""
    canonical: Json
    """All of it that a digest must cover."""


def signature_of(function: Any, names: Mapping[str, Any]) -> Signature:
    """Return the signature of a function that is to be a tool.

    Args:
        names: what its annotations may name besides what its module holds.

    Raises TypeError: if it cannot be one; says all that is in the way.
    """
    if not isinstance(function, types.FunctionType):
        raise TypeError(f"a tool is a function or the class of a machine, not {kind_of(function)}: write a def")
    try:
        hints = typing.get_type_hints(function, localns=dict(names), include_extras=True)
    except Exception as error:  # an annotation is any expression, and may raise anything
        raise _refused(function, [f"its annotations cannot be read ({type(error).__name__})"]) from None
    if wrong := [*_problems(function, hints)]:
        raise _refused(function, wrong)
    name, returned, deps = qualified_name(function), hints["return"], hints.get("deps")
    assert name is not None  # or it would be a problem
    module = function.__module__
    arguments = _arguments(
        function.__name__, {one: hints[one] for one in _parameters(function) if one not in OURS}, module
    )
    return Signature(
        description=inspect.cleandoc(function.__doc__ or ""),
        arguments=arguments,
        returns=TypeAdapter(returned),
        takes=OURS.intersection(_parameters(function)),
        deps=None if deps is Any else deps,
        canonical={
            "function": name,
            "takes": arguments.canonical,
            "gives": dialect_of(_model("gives", {"it": returned}, module)),
        },
    )


def arguments_of(context: type[Context]) -> Arguments:
    """Return what a model fills in to run a machine: what its context requires, and what it is given.

    Raises TypeError: if a model cannot be asked for a field.
    """
    fields, given = context.__pydantic_fields__, given_fields(context)
    asked = {name: _described(field) for name, field in fields.items() if name in given}
    return _arguments(context.__name__, asked, context.__module__)


def _described(field: Any) -> Any:
    annotation = field.rebuild_annotation()
    return typing.Annotated[annotation, Field(description=field.description)] if field.description else annotation


def _problems(function: types.FunctionType, hints: Mapping[str, Any]) -> Iterator[str]:
    """Yield what keeps a function from being a tool."""
    if qualified_name(function) is None:
        yield "it has no name of its own, as a lambda or a closure: write a def in a module or a class"
    if not (function.__doc__ or "").strip():
        yield "it has no docstring, by which a model knows when to use it"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        yield "it yields, and a tool gives one result: return it"
    for name, parameter in _parameters(function).items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            yield f"{parameter} is not given by name: name each parameter"
        elif name not in hints and name not in OURS:
            yield f"parameter {name!r} has no type: annotate it"
        elif name not in OURS:
            yield from _unsayable(name, hints[name])
    if "return" not in hints:
        yield "it does not say what it returns: annotate it, -> str or whatever it is"
    elif why := _unwritable(hints["return"]):
        yield f"what it returns {why}"


def _unsayable(name: str, hint: Any) -> Iterator[str]:
    try:
        said(_model("asked", {name: hint}, __name__))
    except Unsayable as error:
        yield f"a model cannot be asked for parameter {name!r}, which holds {error}"
    except Exception as error:  # of any kind: what a user's type says of itself is user code
        why = f"a model cannot be asked for parameter {name!r} ({type(error).__name__})"
        yield f"{why}: it fills in values of JSON, and of the run a tool is given `key` and `deps` alone"


def _unwritable(hint: Any) -> str:
    try:
        TypeAdapter(hint).json_schema(mode="serialization")
    except Exception as error:  # as above
        return f"has no JSON schema ({type(error).__name__}): return plain values, models or dataclasses"
    return ""


def _parameters(function: types.FunctionType) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


def _refused(function: types.FunctionType, wrong: list[str]) -> TypeError:
    return TypeError(f"{function.__name__} cannot be a tool: {'; '.join(wrong)}")


def _arguments(name: str, hints: Mapping[str, Any], module: str) -> Arguments:
    reader = _model(name, hints, module)
    try:
        schema, has_places = said(reader)
    except Unsayable as error:
        raise TypeError(f"{name} cannot be a tool: a model cannot be asked for {error}") from None
    return Arguments(reader, schema, has_places)


def _model(name: str, hints: Mapping[str, Any], module: str) -> type[BaseModel]:
    """Return a class with a field of each type, which is named by an alias: a class cannot name its fields at will."""
    fields: dict[str, Any] = {f"a{i}": (hint, Field(alias=one)) for i, (one, hint) in enumerate(hints.items(), 1)}
    return create_model(name, __config__=ConfigDict(extra="forbid"), __module__=module, **fields)


def _named(name: str, info: Any) -> str:
    alias: str | None = info.alias
    return alias or name
