"""The dialect in which a digest tells the fields of a context: all that decides what a run can hold, as JSON.

    {"name": "shop:Query", "types": {"shop:Query": {"kind": "model", "fields": [
        {"name": "text", "type": "str", "required": true},
        {"name": "answer", "type": {"union": ["str", "None"]}, "default": null}]}}}

It is our own, and no JSON schema by pydantic: another version of pydantic may write the same fields otherwise, and
every journal and certificate would be stranded. So pydantic is asked for nothing but what was declared. What says
nothing is left out: an option at its default, a title, the docstring of a context that no field holds.

A type is a name; or what it is made `of`; or a union, in order; or the values of a `Literal`; or what an `Annotated`
puts `around` it. Models, dataclasses, named tuples and enums stand under `types`, each once. Where they are used they
are told by name, so that a type may contain itself. Of a function its name is told: not its code, nor what a lambda or
a closure holds.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from itertools import groupby
from typing import Any

import typing_extensions
from pydantic import BaseModel, Discriminator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .context import Context
from .held import Hints
from .marks import Mark
from .plain import plain
from .source import name_of

Json = dict[str, Any]

_ALIASES = tuple({typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType)})
_UNIONS = (typing.Union, types.UnionType)

# fmt: off
_CONSTRAINTS = frozenset({
    "gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "max_digits", "decimal_places",
    "allow_inf_nan", "pattern", "strip_whitespace", "to_lower", "to_upper", "ascii_only", "strict", "union_mode",
    "fail_fast", "coerce_numbers_to_str",
})
# fmt: on
"""Constraints with a name and a value, which mean the same by whatever class they are written."""

_CONFIG: Mapping[str, object] = {
    "allow_inf_nan": True,
    "extra": "ignore",
    "regex_engine": "rust-regex",
    "revalidate_instances": "never",
    "ser_json_bytes": "utf8",
    "ser_json_inf_nan": "null",
    "ser_json_temporal": "iso8601",
    "ser_json_timedelta": "iso8601",
    "val_json_bytes": "utf8",
    "val_temporal_unit": "infer",
    "validate_by_alias": True,
}
"""Options of a model whose default is neither None, False, 0 nor empty. Any other is told unless it is one of these."""

# fmt: off
_SILENT = frozenset({
    "cache_strings", "defer_build", "field_title_generator", "frozen", "hide_input_in_errors", "ignored_types",
    "model_title_generator", "protected_namespaces", "title", "use_attribute_docstrings", "validate_assignment",
    "validation_error_cause",
})
# fmt: on
"""Options of a model that change neither what it holds nor what a model is asked."""

_FIELD_OPTIONS = ("discriminator", "exclude", "exclude_if", "json_schema_extra", "validate_default")

_DECORATED = {
    "validators": "validator",
    "field_validators": "field_validator",
    "root_validators": "root_validator",
    "model_validators": "model_validator",
    "field_serializers": "field_serializer",
    "model_serializers": "model_serializer",
    "computed_fields": "computed_field",
}
"""Where pydantic keeps the functions that decide what a class holds and writes."""

_HOOKS = (
    "__get_pydantic_core_schema__",
    "__get_pydantic_json_schema__",
    "__post_init__",
    "_missing_",
    "model_post_init",
)
"""Methods of a class that decide the same, if it has them."""


def dialect_of(context: type[BaseModel]) -> Json:
    """Return all that decides what a run on this context can hold, and what a model is asked for its fields.

    Two contexts that differ in any of that have different dialects; two that were declared alike have the same one. So
    have other models, such as one of the arguments of a tool.
    """
    writer = _Writer(context._hints if issubclass(context, Context) else {})
    name = writer.told(context)
    if writer.uses[name] == 1:  # a docstring reaches a model only where the class stands inside a field
        writer.types[name].pop("doc", None)
    return {"name": name, "types": writer.types}


class _Writer:
    """One dialect in the making: the types that were met so far, by their names."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self.types: dict[str, Json] = {}
        self.uses: dict[str, int] = {}
        self._names: dict[object, str] = {}

    def told(self, hint: Any) -> Any:
        """Return an annotation as JSON."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is typing.Annotated:
            return {"around": self.told(arguments[0]), **self.marks(arguments[1:])}
        if origin is typing.Literal:
            return {"literal": [plain(value) for value in arguments]}
        if origin in _UNIONS:
            return {"union": [self.told(member) for member in arguments]}
        if origin is not None and hasattr(hint, "__args__"):  # the bare `typing.Tuple` has an origin alone
            return {"type": self.told(origin), "of": [self.told(argument) for argument in arguments]}
        return self._simple(origin or hint)

    def _simple(self, hint: Any) -> Any:
        """Return a type that is not made of others as JSON."""
        if hint is None or hint is type(None):
            return "None"
        if isinstance(hint, str | typing.ForwardRef):
            return {"forward": getattr(hint, "__forward_arg__", hint)}
        if isinstance(hint, typing.TypeVar):
            return self._variable(hint)
        if isinstance(hint, _ALIASES):
            return self._named(hint, f"{hint.__module__}:{hint.__name__}", self._alias)
        if hasattr(hint, "__supertype__"):  # a NewType holds what its type holds
            return self.told(hint.__supertype__)
        if isinstance(hint, type):
            describe = self._describer(hint)
            return name_of(hint) if describe is None else self._named(hint, name_of(hint), describe)
        return "..." if hint is ... else getattr(hint, "_name", None) or name_of(hint)

    def _variable(self, hint: typing.TypeVar) -> Json:
        has_default = getattr(hint, "has_default", lambda: False)()  # from Python 3.13 on, and of typing_extensions
        return _said(
            variable=hint.__name__,
            bound=self.told(hint.__bound__) if hint.__bound__ else None,
            one_of=[self.told(one) for one in hint.__constraints__],
            otherwise=self.told(hint.__default__) if has_default else None,  # type: ignore[attr-defined]
        )

    def _named(self, thing: Any, wanted: str, describe: Callable[[Any], Json]) -> str:
        """Return the name of a type, described when it is met for the first time."""
        name = self._names.get(thing)
        if name is None:
            # classes made in a function, or of one generic class, may bear one name
            alike = sum(known.partition("#")[0] == wanted for known in self.types)
            name = self._names[thing] = f"{wanted}#{alike + 1}" if alike else wanted
            self.uses[name], self.types[name] = 1, {}  # before it is described: it may contain itself
            self.types[name] = describe(thing)
        else:
            self.uses[name] += 1
        return name

    def _alias(self, alias: Any) -> Json:
        return {"kind": "alias", "type": self.told(alias.__value__)}

    def _describer(self, kind: type) -> Callable[[Any], Json] | None:
        if issubclass(kind, Enum):
            return self._enum
        if issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind):
            return self._model
        return self._named_tuple if issubclass(kind, tuple) and hasattr(kind, "_fields") else None

    def _enum(self, kind: type[Enum]) -> Json:
        members = [[name, plain(member.value)] for name, member in kind.__members__.items()]
        mixed_in = [name_of(base) for base in kind.__mro__ if base in (str, int, float, bytes)]
        return _said(kind="enum", members=members, mixed_in=mixed_in, hooks=list(_hooks(kind)), doc=_doc(kind))

    def _named_tuple(self, kind: Any) -> Json:
        hints = self._hints.get(kind) or typing_extensions.get_type_hints(kind, include_extras=True)
        fields = {
            name: FieldInfo.from_annotated_attribute(hints.get(name, Any), kind._field_defaults[name])
            if name in kind._field_defaults
            else FieldInfo.from_annotation(hints.get(name, Any))
            for name in kind._fields
        }
        return {"kind": "named tuple", "fields": [self._field(name, info) for name, info in fields.items()]}

    def _model(self, kind: Any) -> Json:
        if issubclass(kind, BaseModel) and not kind.__pydantic_fields_complete__:
            kind.model_rebuild()
        config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None) or {}
        fields = kind.__pydantic_fields__ if hasattr(kind, "__pydantic_fields__") else self._fields_of_dataclass(kind)
        has_generator = config.get("alias_generator") is not None
        return _said(
            kind="model" if issubclass(kind, BaseModel) else "dataclass",
            fields=[self._field(name, info, has_generator=has_generator) for name, info in fields.items()],
            root=bool(getattr(kind, "__pydantic_root_model__", False)),
            config=_config(config),
            functions=[*self._decorated(kind)],
            hooks=[*_hooks(kind)],
            doc=_doc(kind),
        )

    def _fields_of_dataclass(self, kind: Any) -> dict[str, FieldInfo]:
        hints = self._hints.get(kind) or typing_extensions.get_type_hints(kind, include_extras=True)
        # pydantic's own `Field(...)` may stand where a default does
        return {
            field.name: FieldInfo.from_annotated_attribute(
                hints[field.name], field.default if isinstance(field.default, FieldInfo) else field
            )
            for field in dataclasses.fields(kind)
        }

    def _field(self, name: str, info: FieldInfo, *, has_generator: bool = False) -> Json:
        made: Json = {"name": name, "type": self.told(info.annotation), **self.marks([info])}
        if has_generator and info.alias_priority in (None, 1):  # made by the generator, which is told with the class
            made = {word: value for word, value in made.items() if word not in ("read_as", "written_as")}
        if info.default_factory is not None:
            made["factory"] = name_of(info.default_factory)
        elif info.is_required():
            made["required"] = True
        else:
            made["default"] = plain(info.default)
        return made

    def marks(self, metadata: Iterable[Any]) -> Json:
        """Return what stands around a type: constraints, functions, a mark of ours, a description."""
        made: Json = {}
        checks: list[Any] = []
        for mark in metadata:
            if isinstance(mark, Mark):
                made["mark"] = mark.name
            elif isinstance(mark, FieldInfo):
                inner = self.marks(mark.metadata)
                checks += inner.pop("checks", ())
                made |= inner | self._options(mark)
            elif mark is not None and not isinstance(mark, str):  # a text is a comment
                checks += self._checks(mark)
        return _said(**made, checks=_in_order(checks))

    def _options(self, info: FieldInfo) -> Json:
        read_as = info.validation_alias if info.validation_alias is not None else info.alias
        options = {option: self._option(getattr(info, option)) for option in _FIELD_OPTIONS}
        # `validate_default=False` takes back what the class says; any other option that is off says nothing
        told = {name: value for name, value in options.items() if value or (name, value) == ("validate_default", False)}
        return told | _said(
            description=info.description,
            read_as=self._value(read_as),
            written_as=info.serialization_alias,
            is_given=info.init is not False,
        )

    def _option(self, value: Any) -> Any:
        return self._checks(value)[0] if isinstance(value, Discriminator) else self._value(value)

    def _checks(self, mark: Any) -> list[Any]:
        """Return one thing of an `Annotated` as JSON: pairs of name and value, or what it is and holds."""
        if isinstance(mark, type) or hasattr(mark, "__qualname__"):
            return [{name_of(mark): {}}]
        held = dict(_attributes(mark))
        if held and held.keys() <= _CONSTRAINTS:
            # None and a length of at least 0 say nothing
            said = {
                name: value for name, value in held.items() if value is not None and (name, value) != ("min_length", 0)
            }
            return [[name, self._value(value)] for name, value in said.items()]
        defaults = {f.name: f.default for f in dataclasses.fields(mark)} if dataclasses.is_dataclass(mark) else {}
        told = {k: self._value(v) for k, v in held.items() if not (v is None or _is_default(v, defaults.get(k)))}
        return [{name_of(type(mark)): told}]

    def _value(self, value: Any) -> Any:
        if value is PydanticUndefined:
            return None
        if isinstance(value, type) or typing.get_origin(value) is not None:
            return self.told(value)
        # a function that is no part of a value is told by its name alone
        return name_of(value) if callable(value) else plain(value)

    def _decorated(self, kind: type) -> Iterator[Json]:
        """Yield the functions of a class that check, make or write its fields, in their order."""
        known = getattr(kind, "__pydantic_decorators__", None)
        for group, word in _DECORATED.items():
            for decorator in getattr(known, group, {}).values():
                info = decorator.info
                taken = getattr(info, "json_schema_input_type", PydanticUndefined)
                yield _said(
                    **{word: name_of(_unbound(decorator.func))},
                    fields=list(getattr(info, "fields", ())),
                    mode=getattr(info, "mode", None),
                    when_used=None if getattr(info, "when_used", "always") == "always" else info.when_used,
                    returns=self._value(getattr(info, "return_type", None)),
                    # pydantic fills in Any where a plain function says nothing
                    takes=None if taken is Any and info.mode == "plain" else self._value(taken),
                )


def _said(**words: Any) -> Json:
    """Return what says something: not None, nor empty, nor an answer that is the usual one."""
    return {
        word: value
        for word, value in words.items()
        if value is not None and value not in ([], {}) and (word, value) not in (("is_given", True), ("root", False))
    }


def _attributes(mark: Any) -> Iterator[tuple[str, Any]]:
    names = (
        [f.name for f in dataclasses.fields(mark)] if dataclasses.is_dataclass(mark) else getattr(mark, "__dict__", ())
    )
    return ((name, getattr(mark, name)) for name in names if not name.startswith("_"))


def _is_default(value: object, default: object) -> bool:
    return value is PydanticUndefined or value is default or (type(value) is type(default) and value == default)


def _in_order(checks: list[Any]) -> list[Any]:
    """Sort constraints that stand side by side: their order does not matter, and pydantic may change it.

    Functions stay where they are: what stands before one is asked of another value than what stands after it.
    """
    made: list[Any] = []
    for is_pair, group in groupby(checks, key=lambda check: isinstance(check, list)):
        run = list(group)
        made += sorted(run, key=lambda pair: str(pair[0])) if is_pair else run
    return made


def _config(config: Mapping[str, Any]) -> Json:
    return {
        option: name_of(value) if callable(value) else plain(value)
        for option, value in sorted(config.items())
        if option not in _SILENT and (value != _CONFIG[option] if option in _CONFIG else value)
    }


def _hooks(kind: type) -> Iterator[str]:
    """Yield the names of a user's methods that pydantic calls."""
    names = (*_HOOKS, "__init__") if issubclass(kind, BaseModel) else _HOOKS  # dataclasses have one of their own making
    for name in names:
        method = _unbound(inspect.getattr_static(kind, name, None))
        if getattr(method, "__module__", "enum").partition(".")[0] not in ("enum", "pydantic", "fsm_orch"):
            yield name_of(method)


def _unbound(function: Any) -> Any:
    return getattr(function, "__func__", function)


def _doc(kind: type) -> str | None:
    """Return the docstring that a user wrote for a class, which reaches a model; None if there is none."""
    said = vars(kind).get("__doc__")
    # dataclasses write one for themselves: their signature
    return None if not said or said.startswith(f"{kind.__name__}(") else inspect.cleandoc(said)
