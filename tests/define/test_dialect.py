"""The dialect of fields: all that decides what a run can hold, the same in every process and version of pydantic."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import annotated_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    conint,
    field_validator,
    model_validator,
)
from support.contexts import CONTEXTS, lines, machine_on

from fsm_orch import Context, Given, Limits, LLMAgent, Preset
from fsm_orch.define.dialect import dialect_of
from fsm_orch.define.plain import plain
from fsm_orch.define.source import name_of

TESTS = Path(__file__).parents[1]


def written(context: type[Context]) -> str:
    return json.dumps(dialect_of(context), sort_keys=True)


def made(annotation: Any, *default: Any, **body: Any) -> type[Context]:
    """Build a context of one field; all that this builds bear one name."""
    body = {"__annotations__": {"it": annotation}, "__module__": __name__, "__qualname__": "Made", **body}
    context: Any = type(Context)("Made", (Context,), {**body, **({"it": default[0]} if default else {})})
    return context


def test_there_are_many_kinds_of_fields() -> None:
    """What is compared below is at least sixty contexts, each told otherwise than all others."""
    assert len(CONTEXTS) >= 60
    assert len({written(context) for context in CONTEXTS.values()}) == len(CONTEXTS)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_dialect_is_the_same_in_every_process(seed: str) -> None:
    """Neither the hash seed nor the order of sets is in a dialect, or in the digest of a machine."""
    program = "from support.contexts import lines; print(*lines(), sep='\\n')"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, encoding="utf-8"
    )

    assert lines() == done.stdout.splitlines()


@pytest.mark.parametrize("label", CONTEXTS)
def test_a_dialect_is_json(label: str) -> None:
    """A dialect is read back from JSON as it was, and holds no address and no file."""
    told = dialect_of(CONTEXTS[label])

    assert json.loads(json.dumps(told)) == told
    assert "0x" not in json.dumps(told)
    assert str(TESTS) not in json.dumps(told)


def test_pydantic_draws_no_schema_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest is taken without the JSON schemas of pydantic, which differ from version to version."""
    machines = [machine_on(context) for context in CONTEXTS.values()]

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a schema was drawn")

    monkeypatch.setattr("pydantic.json_schema.GenerateJsonSchema.generate", refuse)
    monkeypatch.setattr("pydantic.BaseModel.model_json_schema", refuse)

    assert len(machines) == len({machine.definition.digest for machine in machines})


def checked(value: Any) -> Any:
    return value


def other(value: Any) -> Any:
    return value


class A(Enum):
    ONE = 1


class Held(BaseModel):
    """A thing."""

    model_config = ConfigDict(frozen=True)

    n: int = 0


class Row(NamedTuple):
    n: int = 0


def validating(function: Callable[..., Any], mode: str = "before") -> dict[str, Any]:
    return {"check": field_validator("it", mode=mode)(function)}  # type: ignore[call-overload]


def configured(**options: Any) -> dict[str, Any]:
    return {"model_config": ConfigDict(**options)}


VARIANTS: Mapping[str, Callable[[], type[Context]]] = {
    "required": lambda: made(int),
    "with a default": lambda: made(int, 0),
    "of another default": lambda: made(int, 1),
    "a yes for a one": lambda: made(int, True),
    "a number for a one": lambda: made(int, 1.0),
    "with a factory": lambda: made(int, Field(default_factory=int)),
    "of another factory": lambda: made(int, Field(default_factory=lambda: 0)),
    "given": lambda: made(Given[int], 0),
    "preset": lambda: made(Preset[int], 0),
    "of another type": lambda: made(float, 0),
    "or none": lambda: made(int | None, 0),
    "or a text": lambda: made(int | str, 0),
    "a text or it": lambda: made(str | int, 0),
    "bound below": lambda: made(Annotated[int, Field(ge=0)], 0),
    "bound above it": lambda: made(Annotated[int, Field(gt=0)], 1),
    "bound elsewhere": lambda: made(Annotated[int, Field(ge=1)], 1),
    "strict": lambda: made(Annotated[int, Field(strict=True)], 0),
    "not strict": lambda: made(Annotated[int, Field(strict=False)], 0),
    "not validated": lambda: made(int, Field(0, validate_default=False)),
    "described": lambda: made(int, Field(0, description="a number")),
    "described otherwise": lambda: made(int, Field(0, description="a count")),
    "by another name": lambda: made(int, Field(0, alias="count")),
    "read by another name": lambda: made(int, Field(0, validation_alias="count")),
    "more in its schema": lambda: made(int, Field(0, json_schema_extra={"enum": [0, 1]})),
    "checked": lambda: made(Annotated[int, AfterValidator(checked)], 0),
    "checked by another": lambda: made(Annotated[int, AfterValidator(other)], 0),
    "checked before": lambda: made(Annotated[int, BeforeValidator(checked)], 0),
    "checked, then bound": lambda: made(Annotated[int, AfterValidator(checked), Field(ge=0)], 0),
    "bound, then checked": lambda: made(Annotated[int, Field(ge=0), AfterValidator(checked)], 0),
    "checked by a method": lambda: made(int, 0, **validating(checked)),
    "checked by another method": lambda: made(int, 0, **validating(other)),
    "checked by a method afterwards": lambda: made(int, 0, **validating(checked, "after")),
    "checked as a whole": lambda: made(int, 0, check=model_validator(mode="before")(checked)),
    "a list of values": lambda: made(Literal[0, 1], 0),
    "of other values": lambda: made(Literal[0, 2], 0),
    "in another order": lambda: made(Literal[1, 0], 0),
    "of yes and no": lambda: made(Literal[False, True], 0),
    "an enum": lambda: made(A, A.ONE),
    "a pair": lambda: made(tuple[int, int], (0, 0)),
    "a row": lambda: made(tuple[int, ...], (0, 0)),
    "a set": lambda: made(frozenset[int], frozenset()),
    "bounds inside": lambda: made(tuple[Annotated[int, Field(ge=0)], ...], (0, 0)),
    "a model": lambda: made(Held, Held()),
    "a named tuple": lambda: made(Row, Row()),
    "stripped": lambda: made(int, 0, **configured(str_strip_whitespace=True)),
    "values of enums": lambda: made(int, 0, **configured(use_enum_values=True)),
    "of another name": lambda: made(int, __annotations__={"its": int}, its=0),
    "two fields": lambda: made(int, 0, __annotations__={"it": int, "its": int}, its=0),
    "in the other order": lambda: made(int, 0, __annotations__={"its": int, "it": int}, its=0),
}


def test_whatever_changes_what_a_run_holds_is_told() -> None:
    """Contexts of one name that differ in what a run can hold, or in what a model is asked, have other dialects."""
    told: dict[str, str] = {}
    for label, build in VARIANTS.items():
        assert told.setdefault(written(build()), label) == label


@pytest.mark.parametrize("label", VARIANTS)
def test_contexts_that_are_declared_alike_are_told_alike(label: str) -> None:
    """Two classes of one declaration have one dialect."""
    assert written(VARIANTS[label]()) == written(VARIANTS[label]())


class Inner(Context):
    it: int = 0


@pytest.mark.parametrize(
    ("one", "same"),
    [
        (Optional[int], Union[int, None]),  # noqa: UP007, UP045
        (Annotated[int, Field(ge=0, le=5)], Annotated[int, Field(le=5, ge=0)]),
        (Annotated[int, Field(ge=0, le=5)], Annotated[int, annotated_types.Interval(ge=0, le=5)]),
        (Annotated[int, Field(ge=0)], conint(ge=0)),
        (
            Annotated[str, Field(min_length=1, pattern="a")],
            Annotated[str, StringConstraints(min_length=1, pattern="a")],
        ),
        (Annotated[str, Field(max_length=5)], Annotated[str, annotated_types.Len(0, 5)]),
        (Annotated[int, Field(title="A title", examples=[1])], int),
        (Annotated[int, "a comment"], int),
        (Annotated[int, AfterValidator(partial(checked))], Annotated[int, AfterValidator(checked)]),
        (tuple[Inner, Inner], tuple[Inner, Inner]),
    ],
)
def test_what_means_the_same_is_told_alike(one: Any, same: Any) -> None:
    """One meaning has one dialect, by whatever spelling."""
    assert written(made(one)) == written(made(same))


@pytest.mark.parametrize("option", [{"title": "A title"}, {"extra": "forbid"}, {"hide_input_in_errors": True}], ids=str)
def test_options_that_say_nothing_are_not_told(option: dict[str, Any]) -> None:
    """An option of a context that changes nothing of its runs is in no dialect."""
    assert written(made(int)) == written(made(int, **configured(**option)))


def test_a_docstring_is_told_where_it_reaches_a_model() -> None:
    """The docstring of a context is for people; that of what a field holds goes into the schema of a model."""
    documented = made(int, __doc__="A context.")
    held: Any = type(BaseModel)("Held", (BaseModel,), {"__doc__": "Another.", "model_config": {"frozen": True}})
    held.__module__, held.__qualname__ = Held.__module__, Held.__qualname__
    same: Any = type(BaseModel)("Held", (BaseModel,), {"__doc__": "Other.", "model_config": {"frozen": True}})
    same.__module__, same.__qualname__ = Held.__module__, Held.__qualname__

    assert written(made(int)) == written(documented)
    assert written(made(held)) != written(made(same))


class Early(Context):
    """Names a class that is not there yet, and is not asked again."""

    later: Later | None = None


class Later(Context):
    it: int = 0


def test_what_was_not_known_yet_is_looked_up() -> None:
    """A class that named another before that was there is told with it."""
    whole = dialect_of(made(Early))

    assert whole["types"][f"{__name__}:Early"]["fields"][0]["type"] == {"union": [f"{__name__}:Later", "None"]}
    assert f"{__name__}:Later" in whole["types"]


TYPES = st.recursive(
    st.sampled_from([int, str, bool, float, bytes, A, Inner, Held, Row, Literal["a"], Literal["a", "b"]]),
    lambda inner: (
        inner.map(lambda one: tuple[one, ...])  # type: ignore[valid-type]
        | inner.map(lambda one: one | None)
        | st.tuples(inner, inner).map(lambda two: tuple[two])  # type: ignore[valid-type]
        | st.tuples(inner, st.sampled_from(["x", "y"])).map(lambda it: Annotated[it[0], Field(description=it[1])])
        | inner.map(lambda one: frozenset[one])  # type: ignore[valid-type]
    ),
    max_leaves=4,
)


@given(st.lists(TYPES, min_size=2, max_size=4))
def test_what_pydantic_tells_apart_is_told_apart(annotations: list[Any]) -> None:
    """Where a schema by pydantic differs, which is what a model is asked, the dialect differs too."""
    contexts = [made(annotation) for annotation in annotations]
    schemas = [json.dumps(context.model_json_schema()) for context in contexts]
    for i, one in enumerate(contexts):
        assert written(one) == written(made(annotations[i]))
        for j, other in enumerate(contexts):
            assert schemas[i] == schemas[j] or written(one) != written(other)


# --- values and names -----------------------------------------------------------------------------------------


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.sampled_from([A.ONE, int]),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3) | inner.map(Row),
    max_leaves=6,
)


@given(VALUES, VALUES)
def test_values_that_differ_are_written_otherwise(one: Any, other: Any) -> None:
    """A value is one JSON, and two values that differ, or are of two types, are two."""
    texts = [json.dumps(plain(value), sort_keys=True) for value in (one, other)]

    assert (texts[0] == texts[1]) == (repr_of(one) == repr_of(other))


def repr_of(value: Any) -> Any:
    """Return a value's text, with sets in order."""
    if isinstance(value, frozenset):
        return "frozenset", sorted(map(repr, map(repr_of, value)))
    return (
        ("Row" if isinstance(value, Row) else "", [*map(repr_of, value)]) if isinstance(value, tuple) else repr(value)
    )


def test_our_own_are_named_by_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of ours has its public name, and keeps it when it is moved to another module."""
    assert [name_of(LLMAgent), name_of(Limits)] == ["fsm_orch.LLMAgent", "fsm_orch.Limits"]

    monkeypatch.setattr(LLMAgent, "__module__", "fsm_orch.elsewhere")

    assert name_of(LLMAgent) == "fsm_orch.LLMAgent"


def test_a_users_are_named_by_their_module() -> None:
    """A class of a user has its module and name, whatever it is a subclass of."""

    class Mine(LLMAgent):
        pass

    assert name_of(Mine) == f"{__name__}:{Mine.__qualname__}"
    assert [name_of(Path), name_of(int), name_of(str.upper)] == ["pathlib:Path", "int", "str.upper"]
