"""Contexts: field references, immutability, watched views and changes."""

from __future__ import annotations

import asyncio
import collections
import copy
import dataclasses
import functools
import operator
import typing
from collections.abc import Callable, Iterable, Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from typing import Annotated, Any, ClassVar, Literal, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    computed_field,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from fsm_orch.define.annotations import annotated_context
from fsm_orch.define.changes import changed, overwritten, validated
from fsm_orch.define.context import Context, FieldRef, field_refs, given_fields
from fsm_orch.define.frozen import field_flaws
from fsm_orch.define.held import Scope
from fsm_orch.define.marks import Given
from fsm_orch.define.watched import watched
from fsm_orch.errors import ContextError, DefinitionError


class Ticket(Context):
    query: str
    invoice: str | None = None
    verified: bool = False
    level: int = 0

    @property
    def is_urgent(self) -> bool:
        return self.level > 3 and self.verified

    def mentions(self, word: str) -> bool:
        return word in self.query

    @computed_field
    def length(self) -> int:
        return len(self.query)


class VipTicket(Ticket):
    manager: str = "none"


class Loose(BaseModel):
    x: int = 0


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    x: int = 0


class FrozenAroundList(BaseModel):
    model_config = ConfigDict(frozen=True)
    xs: list[int]


class FrozenAroundTuple(BaseModel):
    model_config = ConfigDict(frozen=True)
    xs: tuple[Frozen, ...] = ()


@dataclasses.dataclass
class LooseData:
    x: int = 0


@dataclasses.dataclass(frozen=True)
class FrozenData:
    x: int = 0


ListAlias = TypeAliasType("ListAlias", list[int])


def context_with(annotation: Any) -> type[Context]:
    return type(Context)("Made", (Context,), {"__annotations__": {"field": annotation}, "__module__": __name__})


# --- field references -----------------------------------------------------------------------------------------


def test_a_field_of_the_class_is_a_reference() -> None:
    """A field read on the class names itself, with its class."""

    assert FieldRef(Ticket, "query") == Ticket.query
    assert "Ticket.invoice" == repr(Ticket.invoice)


def test_inherited_fields_are_references_too() -> None:
    """A derived context has references to the fields of its base and to its own."""

    assert FieldRef(VipTicket, "query") == VipTicket.query
    assert FieldRef(VipTicket, "manager") == VipTicket.manager
    with pytest.raises(AttributeError):
        _ = Ticket.manager


def test_a_misspelt_field_names_the_fields() -> None:
    """A misspelt field is an AttributeError that lists the fields."""

    with pytest.raises(AttributeError, match=r"^Ticket has no field 'qery'\. Fields: query, invoice, verified, level$"):
        _ = Ticket.qery


def test_instances_answer_with_values() -> None:
    """A field read on an instance is its value."""

    assert "hi" == Ticket(query="hi").query


def test_aliased_fields_are_referred_to_by_name() -> None:
    """A field with an alias is referred to by its own name."""

    class Aliased(Context):
        query: str = Field(alias="q")

    assert FieldRef(Aliased, "query") == Aliased.query


@pytest.mark.parametrize("wrong", ["query", None, 3, Ticket, Ticket.mentions])
def test_only_references_name_fields(wrong: object) -> None:
    """A string or anything else that is no reference does not name a field."""

    with pytest.raises(ContextError, match=r"is not a field\. Name fields as attributes of a context class"):
        field_refs((Ticket.query, wrong))


def test_references_keep_their_order() -> None:
    """References are taken as they were written."""

    assert (Ticket.level, Ticket.query) == field_refs(iter([Ticket.level, Ticket.query]))


def test_given_fields_are_the_required_and_the_marked() -> None:
    """A required field and one marked Given are there from the start; one with a mere default is not."""

    class Marked(Context):
        query: str
        locale: Given[str] = "en"
        zone: Given[str] = "utc"
        maybe: Annotated[str | None, "Given"] = None

    assert {"query", "locale", "zone"} == given_fields(Marked)


# --- immutability ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "annotation",
    [
        list,
        list[int],
        dict,
        dict[str, int],
        set,
        set[str],
        Mapping[str, int],
        typing.Mapping[str, int],
        collections.OrderedDict[str, int],
        collections.defaultdict[str, int],
        collections.Counter[str],
        Optional[list[int]],  # noqa: UP045
        list[int] | None,
        tuple[list[int], ...],
        tuple[int, tuple[set[int], ...]],
        Annotated[list[int], Field(max_length=2)],
        Annotated[list[int], "note"] | None,
        tuple[Annotated[dict[str, int] | None, "note"], ...],
        frozenset[str] | list[str],
        Loose,
        Loose | None,
        tuple[Loose, ...],
        # what pydantic fills with a list, a set or a dict, or takes as it comes
        Sequence[int],
        MutableSequence[int],
        MutableMapping[str, int],
        MutableSet[int],
        AbstractSet[int],
        Iterable[int],
        collections.deque[int],
        # functions, which can be given attributes and have no form in JSON
        Callable,
        Callable[[int], str],
        typing.Callable[[list[int]], str],
        tuple[Callable[..., int] | None, ...],
        LooseData,
        tuple[LooseData, ...],
        FrozenAroundList,
        ListAlias,
    ],
    ids=str,
)
def test_mutable_fields_are_refused(annotation: Any) -> None:
    """A field that could hold something mutable is refused when the class is built, wherever it is nested."""

    with pytest.raises(DefinitionError, match=r"FSM130 .*\n  Made\.field holds a ") as caught:
        context_with(annotation)

    assert {"FSM130"} == {finding.code for finding in caught.value.findings}


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int | None,
        bytes,
        tuple[int, ...],
        frozenset[str],
        Literal["a", "b"],
        Frozen,
        FrozenAroundTuple,
        FrozenData,
        tuple[Frozen, ...] | None,
        Annotated[str, Field(max_length=9)],
        Ticket,
    ],
    ids=str,
)
def test_immutable_fields_are_accepted(annotation: Any) -> None:
    """A field of what cannot change is accepted."""

    assert ["field"] == list(context_with(annotation).model_fields)


def test_the_finding_says_what_and_what_instead() -> None:
    """A mutable field is reported with its class, its name and an alternative, each field once."""

    with pytest.raises(DefinitionError) as caught:

        class Bag(Context):
            things: list[str]
            named: dict[str, int] = {}  # noqa: RUF012
            fine: int = 0

    assert (
        ("Bag.things holds a list, which can change behind the journal's back", "use tuple[...]"),
        (
            "Bag.named holds a dict, which can change behind the journal's back",
            "use a nested Context, or a tuple of pairs",
        ),
    ) == tuple((finding.problem, finding.fix) for finding in caught.value.findings)


def test_private_attributes_do_not_change_behind_the_journal() -> None:
    """A private attribute is refused, or as frozen as a field: it is no way round the journal."""

    try:

        class Sly(Context):
            query: str
            _seen: int = PrivateAttr(default=0)

    except DefinitionError:
        return
    sly = Sly(query="hi")

    with pytest.raises((ValidationError, TypeError, AttributeError)):
        sly._seen = 5


def test_fields_are_frozen() -> None:
    """A context is never written in place."""

    with pytest.raises(ValidationError, match="frozen"):
        Ticket(query="hi").query = "ho"  # type: ignore[misc]


def test_unknown_fields_are_refused() -> None:
    """A context takes no field that it does not declare."""

    with pytest.raises(ValidationError, match="Extra inputs"):
        Ticket(query="hi", qery="ho")  # type: ignore[call-arg]


# --- watched views --------------------------------------------------------------------------------------------


def reads_of(look: Callable[[Any], object], context: Context | None = None) -> set[str]:
    reads: set[str] = set()
    look(watched(context or Ticket(query="red dress", level=5), reads.add))
    return reads


ALL = {"query", "invoice", "verified", "level"}


@pytest.mark.parametrize(
    ("look", "expected"),
    [
        (lambda t: None, set()),
        (lambda t: t.query, {"query"}),
        (lambda t: getattr(t, "invoice"), {"invoice"}),  # noqa: B009
        (operator.attrgetter("level"), {"level"}),
        (lambda t: t.is_urgent, {"level", "verified"}),
        (lambda t: t.mentions("red"), {"query"}),
        (lambda t: t.length, {"query"}),
        (lambda t: t.verified and t.invoice, {"verified"}),
        (lambda t: t.verified or t.invoice, {"verified", "invoice"}),
        (lambda t: t.invoice is None or t.level, {"invoice"}),
        (lambda t: isinstance(t, Ticket), set()),
        (lambda t: hasattr(t, "level"), {"level"}),
        (lambda t: t.model_dump(), ALL),
        (lambda t: t.model_dump(include={"query"}), ALL),
        (lambda t: t.model_dump_json(), ALL),
        (dict, ALL),
        (vars, ALL),
        (repr, ALL),
        (hash, ALL),
        (copy.copy, ALL),
        (copy.deepcopy, ALL),
        (lambda t: t.model_copy(), ALL),
        (lambda t: t == Ticket(query="x"), ALL),
        (lambda t: Ticket(query="x") == t, ALL),
        (lambda t: {f: getattr(t, f) for f in type(t).model_fields}, ALL),
    ],
    ids=range(25),
)
def test_reads_are_seen(look: Callable[[Any], object], expected: set[str]) -> None:
    """A view reports each field that is read of it, through properties and methods, and no field that is not."""

    assert expected == reads_of(look)


def test_structural_patterns_are_seen() -> None:
    """A match statement on a view matches its class and reports the fields it looks at."""

    def look(t: Ticket) -> None:
        match t:
            case Ticket(verified=True):
                raise AssertionError
            case Ticket(level=5):
                pass

    assert {"verified", "level"} == reads_of(look)


def test_which_fields_are_set_is_a_read() -> None:
    """Whether a field was set depends on who wrote, so asking for it reads every field."""

    assert reads_of(lambda t: t.model_fields_set) == ALL


class Cached(Context):
    level: int
    invoice: str | None = None

    @functools.cached_property
    def is_high(self) -> bool:
        return self.level > 3


def test_cached_properties_hide_no_read() -> None:
    """A cached property shows what it reads each time it is looked at, in every view."""

    context = Cached(level=5)
    reads: set[str] = set()
    _ = watched(context, reads.add).is_high

    assert "level" in reads
    assert "level" in reads_of(lambda t: t.is_high, context)


def test_cached_properties_do_not_stop_changes() -> None:
    """A context whose cached property was looked at can still be changed."""

    context = Cached(level=5)
    _ = context.is_high

    assert Cached(level=1) == changed(context, {"level": 1})
    assert not changed(context, {"level": 1}).is_high


def test_a_view_leaves_its_context_alone() -> None:
    """Looking at a view puts nothing into the context behind it."""

    context = Cached(level=5)
    _ = watched(context, lambda name: None).is_high

    assert {"level": 5, "invoice": None} == vars(context)


def test_a_view_is_an_equal_instance() -> None:
    """A view is an instance of its context's class, equal to it, with the same hash and text."""

    context = Ticket(query="hi")
    view = watched(context, lambda name: None)

    assert isinstance(view, Ticket)
    assert Ticket is view.__class__
    assert context == view
    assert view == context
    assert hash(context) == hash(view)
    assert repr(context) == repr(view)
    assert Ticket(query="ho") != view


def test_what_the_watcher_raises_reaches_the_reader() -> None:
    """A watcher forbids a field by raising."""

    def forbid(name: str) -> None:
        if name == "invoice":
            raise ContextError("not yours")

    view = watched(Ticket(query="hi"), forbid)

    assert "hi" == view.query
    for look in (lambda: view.invoice, view.model_dump, lambda: repr(view), lambda: vars(view)):
        with pytest.raises(ContextError, match="not yours"):
            look()


def test_a_view_is_frozen_too() -> None:
    """A view is no way to write a context."""

    with pytest.raises(ValidationError, match="frozen"):
        watched(Ticket(query="hi"), lambda name: None).query = "ho"  # type: ignore[misc]


def test_views_of_derived_contexts_report_inherited_fields() -> None:
    """A view of a derived context reports fields of its base, whichever class was watched first."""

    reads_of(lambda t: t.query)
    vip = VipTicket(query="hi", manager="Ann")

    assert {"query"} == reads_of(lambda t: t.query, vip)
    assert {"manager"} == reads_of(lambda t: t.manager, vip)
    assert {*ALL, "manager"} == reads_of(lambda t: t.model_dump(), vip)


@given(st.lists(st.sampled_from(sorted(ALL))))
def test_reads_are_exactly_what_was_read(names: list[str]) -> None:
    """Reading some fields reports those, in order."""

    reads: list[str] = []
    view = watched(Ticket(query="hi", invoice="I7", level=2), reads.append)

    assert [getattr(Ticket(query="hi", invoice="I7", level=2), name) for name in names] == [
        getattr(view, name) for name in names
    ]
    assert names == reads


# --- changes --------------------------------------------------------------------------------------------------


@given(st.fixed_dictionaries({}, optional={"query": st.text(), "verified": st.booleans(), "level": st.integers()}))
def test_changes_are_written_and_the_rest_is_kept(changes: dict[str, Any]) -> None:
    """Changes make another context that differs in the fields written, and leave the given one."""

    before = Ticket(query="hi", invoice="I7")

    assert Ticket(**{**before.model_dump(exclude={"length"}), **changes}) == changed(before, changes)
    assert Ticket(query="hi", invoice="I7") == before


@pytest.mark.parametrize(
    ("changes", "message"), [({"level": "SECRET"}, "level: "), ({"query": 3}, "query: "), ({"other": 1}, "other: ")]
)
def test_misfits_are_refused(changes: dict[str, Any], message: str) -> None:
    """A value that does not fit its field is refused by the field's name, without the value."""

    with pytest.raises(ContextError, match=f"^{message}") as caught:
        changed(Ticket(query="hi"), changes)

    assert "SECRET" not in str(caught.value)
    assert None is caught.value.__cause__


class Derived(Context):
    query: str
    words: int = 0

    @model_validator(mode="before")
    @classmethod
    def count(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "words": len(str(values.get("query", "")).split())}


def test_a_validator_may_not_touch_undeclared_fields() -> None:
    """A field that a validator changes must be among those written."""

    with pytest.raises(ContextError, match=r"^a validator changed 'words', which the agent does not declare to write$"):
        changed(Derived(query="one"), {"query": "one two"})

    assert 2 == changed(Derived(query="one"), {"query": "one two", "words": 0}).words


def test_a_validator_may_not_touch_an_undeclared_field_by_type_alone() -> None:
    """A field that turns from False into an equal 0 has changed too."""

    class Turning(Context):
        mode: str = "calm"
        flag: bool | int = False

        @model_validator(mode="before")
        @classmethod
        def turn(cls, values: dict[str, Any]) -> dict[str, Any]:
            return {**values, "flag": 0} if values.get("mode") == "wild" else values

    with pytest.raises(ContextError, match="a validator changed 'flag'"):
        changed(Turning(), {"mode": "wild"})


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(score: float) -> None:
    """JSON has no NaN and no infinity, so a journal could not give them back."""

    class Measured(Context):
        score: float

    with pytest.raises(ValidationError, match="finite number"):
        Measured(score=score)
    with pytest.raises(ContextError, match=r"^score: Input should be a finite number$"):
        changed(Measured(score=1.0), {"score": score})


@pytest.mark.parametrize("field", ["secret", "hidden"])
def test_what_a_journal_would_lose_is_no_field(field: str) -> None:
    """Fields that are masked or left out when they are written are refused: secrets belong in dependencies."""
    kinds = {"secret": (SecretStr | None, None), "hidden": (str, Field(default="", exclude=True))}

    with pytest.raises(DefinitionError, match=f"{field} is masked or left out when it is written"):
        create_model("Private", __base__=Context, **{field: kinds[field]})


@pytest.mark.parametrize("config", [{"frozen": False}, {"extra": "allow"}])
def test_a_context_stays_frozen_and_closed(config: dict[str, Any]) -> None:
    """A subclass cannot take back that contexts are frozen and hold no unknown fields."""
    with pytest.raises(DefinitionError, match="is configured with frozen off, or with extra fields allowed"):
        type("Loose", (Context,), {"model_config": config})


class Table(Context):
    """A validator raises what a test wants."""

    key: str = "a"
    raised: ClassVar[BaseException] = KeyError("SECRET")

    @field_validator("key")
    @classmethod
    def look_up(cls, key: str) -> str:
        if key == "SECRET":
            raise cls.raised
        return key


@pytest.mark.parametrize("error", [KeyError("SECRET"), SystemExit(3), asyncio.CancelledError("SECRET")], ids=repr)
def test_a_validator_that_raises_anything_refuses(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails in a user's validator on a value is a refusal, and does not show the value."""
    monkeypatch.setattr(Table, "raised", error)

    with pytest.raises(ContextError, match=rf"^a validator raised {type(error).__name__}$"):
        changed(Table(), {"key": "SECRET"})


def test_an_interrupt_passes_a_validator(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in a validator is for whoever called, and refuses nothing."""
    monkeypatch.setattr(Table, "raised", KeyboardInterrupt())

    with pytest.raises(KeyboardInterrupt):
        changed(Table(), {"key": "SECRET"})


def test_aliased_fields_can_be_changed() -> None:
    """Changes are by field name, whatever alias a field has for its input."""

    class Aliased(Context):
        query: str = Field(alias="q")
        level: int = 0

    assert 2 == changed(Aliased(q="hi"), {"level": 2}).level  # type: ignore[call-arg]


class CardA(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["a"]


class CardB(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["b"]


def refuse(value: object) -> object:
    raise ValueError(f"{value!r} will not do")


class Private(Context):
    plain: int = 0
    choice: Literal["x", "y"] = "x"
    short: Annotated[str, Field(max_length=2, pattern="^a")] = "a"
    numbers: tuple[int, ...] = ()
    card: Annotated[CardA | CardB, Field(discriminator="kind")] = CardA(kind="a")
    picky: Annotated[str, BeforeValidator(refuse)] = ""

    @field_validator("plain")
    @classmethod
    def even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd")
        return value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("plain", "SECRET"),
        ("plain", 917_351),
        ("choice", "SECRET"),
        ("short", "SECRET"),
        ("numbers", ("SECRET",)),
        ("card", {"kind": "SECRET"}),
        ("card", {"SECRET": "SECRET"}),
        ("card", "SECRET"),
        ("picky", "SECRET"),
    ],
)
def test_messages_never_hold_the_values(name: str, value: Any) -> None:
    """What a field was given may be private, so no message of a refusal holds it, whoever refused."""

    with pytest.raises(ContextError, match=name) as caught:
        validated(Private, {name: value})

    assert "SECRET" not in str(caught.value)
    assert "917351" not in str(caught.value)


@given(st.text("SECRT", min_size=6), st.sampled_from(["plain", "choice", "short", "numbers"]))
def test_messages_name_the_field_and_nothing_private(secret: str, name: str) -> None:
    """A refusal names the field that did not fit, and quotes nothing of what came."""

    with pytest.raises(ContextError, match=f"^{name}: ") as caught:
        validated(Private, {name: secret})

    assert secret not in str(caught.value)


# --- annotations ----------------------------------------------------------------------------------------------


def test_annotations_tell_the_context() -> None:
    """The context of a function is that of its first parameter, also inside brackets or as text."""

    def plainly(t: Ticket) -> bool: ...
    def in_brackets(v: tuple[VipTicket]) -> bool: ...
    def not_at_all(t) -> Ticket: ...  # type: ignore[no-untyped-def]

    class Callable_:
        def __call__(self, t: Ticket) -> bool: ...

    assert Ticket is annotated_context(plainly, {})
    assert VipTicket is annotated_context(in_brackets, {})
    assert None is annotated_context(not_at_all, {})
    assert Ticket is annotated_context(Callable_(), {})
    assert None is annotated_context(functools.partial(plainly), {})


@pytest.mark.parametrize("annotation", ["Missing", "Ticket.missing", "not an annotation", "Ticket[", "1 / 0"])
def test_annotations_that_cannot_be_resolved_tell_nothing(annotation: str) -> None:
    """An annotation that cannot be resolved is no context, and no exception."""

    def function(t: Any) -> bool: ...

    function.__annotations__ = {"t": annotation}

    assert None is annotated_context(function, {})


class Renamed(Context):
    query: str = Field(alias="q")


def test_overwriting_leaves_the_context_as_it_was() -> None:
    """What a final state sets is written to a copy: snapshots of the past stay true."""
    before = Renamed.model_validate({"q": "hi"})

    after = overwritten(before, {"query": "ho"})

    assert ("hi", "ho") == (before.query, after.query)


def test_fields_are_written_by_their_names_alone() -> None:
    """An alias is for the world outside: in a journal and a reply a field bears its name."""
    with pytest.raises(ContextError, match="query: Field required"):
        validated(Renamed, {"q": "hi"})
    assert "hi" == validated(Renamed, {"query": "hi"}).query


def test_no_changes_are_no_new_context() -> None:
    """A reply that writes nothing keeps the very snapshot, whatever its validators would say today."""
    context = Renamed.model_validate({"q": "hi"})

    assert changed(context, {}) is context


class Loop:
    """An alias that contains itself, as `type Loop = int | tuple[Loop, ...]` makes one."""

    def __init__(self, *others: Any) -> None:
        self.others = others

    @property
    def __value__(self) -> Any:
        return tuple[(self, *self.others)]  # type: ignore[misc]


def test_aliases_that_contain_themselves_are_looked_into_once() -> None:
    """A recursive alias is looked through for what can change, and the look ends."""
    assert [] == problems(Loop(int))
    assert ["holds a list, which can change behind the journal's back"] == problems(Loop(list[int]))


def problems(annotation: Any) -> list[str]:
    return [flaw.problem for flaw in field_flaws(FieldInfo(annotation=annotation), Scope({}, {}), __name__)]
