"""Marks on fields: who may set a field before any agent does, and what is proved of it."""

import copy
from typing import Annotated, Any

import pytest
from pydantic import create_model
from typing_extensions import TypeAliasType

from fsm_orch import (
    Context,
    DefinitionError,
    Final,
    Given,
    Machine,
    Preset,
    Runner,
    StartError,
    State,
    Visit,
    guard,
    never,
)
from fsm_orch.define.context import first_readable, given_fields
from fsm_orch.proof.explore.exploration import explore


class Notes(Context):
    query: str
    locale: Given[str] = "en"
    seen: Preset[tuple[str, ...]] = ()
    is_open: Preset[bool] = False
    answer: str | None = None


def take_note(visit: Visit[Notes]):  # type: ignore[no-untyped-def]
    return {Notes.seen: (*visit.context.seen, visit.context.locale)}


def answer(visit: Visit[Notes]):  # type: ignore[no-untyped-def]
    return {Notes.answer: " ".join(visit.context.seen)}


@guard
def is_open(notes: Notes) -> bool:
    return notes.is_open


class Loop(Machine[Notes]):
    """Carry notes round a loop."""

    note = State(take_note, reads=(Notes.locale, Notes.seen), writes=Notes.seen, initial=True, max_visits=2)
    reply = State(answer, reads=Notes.seen, writes=Notes.answer)
    leak = State(answer, reads=Notes.seen, writes=Notes.answer)
    done = Final()
    human = Final(fallback=True)
    to_leak = note.to(leak, guard=is_open)
    to_reply = note.to(reply)
    again = reply.on_failure(note)
    ok = (reply | leak).to(done)
    policies = (never(leak),)


def test_who_may_set_a_field_first() -> None:
    """A caller sets required and Given fields; agents may read these from the start, and Preset ones."""
    assert {"query", "locale"} == given_fields(Notes)
    assert {"query", "locale", "seen", "is_open"} == first_readable(Notes)


def test_a_preset_field_is_read_before_anybody_wrote_it() -> None:
    """What is carried round a loop starts from its default."""
    result = Runner(Loop).run_sync(Notes(query="x", locale="de"))

    assert (("de",), "de") == (result.context.seen, result.context.answer)


def test_a_caller_cannot_set_a_preset_field() -> None:
    """Policies are proved from its default, so a run that starts otherwise is refused, and told how to mend it."""
    with pytest.raises(StartError, match=r"is_open set.*Given\[\.\.\.\]"):
        Runner(Loop).run_sync(Notes(query="x", is_open=True))


def test_the_proof_starts_from_a_preset_default() -> None:
    """A guard over a Preset field that no agent writes never holds; over a Given one it may."""

    class Asked(Context):
        is_open: Given[bool] = False

    @guard
    def given_open(asked: Asked) -> bool:
        return asked.is_open

    def work(visit: Visit[Asked]) -> None: ...

    class Ask(Machine[Asked]):
        """Ask."""

        start = State(work, initial=True)
        leak = State(work)
        done = Final()
        human = Final(fallback=True)
        to_leak = start.to(leak, guard=given_open)
        to_done = start.to(done)
        ok = leak.to(done)
        policies = (never(leak),)

    assert ["holds"] == [policy.verdict for policy in explore(Loop.definition).policies]
    assert ["violated"] == [policy.verdict for policy in explore(Ask.definition).policies]


@pytest.mark.parametrize(
    ("annotation", "default", "problem"),
    [
        (Preset[int], ..., "is marked Preset and has no default"),
        (Given[str] | None, None, "has a mark inside its type"),
        (tuple[Preset[str], ...], (), "has a mark inside its type"),
        (Annotated[Given[int], "note"], ..., None),
        (Given[Preset[int]], 0, "is marked Given and Preset"),
        (Given[int], ..., None),
        (Annotated[str, Given], "en", "has a mark that is not put around its type"),
        (TypeAliasType("Locale", Given[str]), "en", "has a mark inside its type"),
    ],
    ids=[
        "no default",
        "in a union",
        "in a tuple",
        "annotated too",
        "both",
        "required and Given",
        "bare",
        "in an alias",
    ],
)
def test_a_mark_that_cannot_be_kept_is_a_finding(annotation: Any, default: Any, problem: str | None) -> None:
    """A mark that means nothing, or two things, keeps the class from being built."""
    body: dict[str, Any] = {"__annotations__": {"field": annotation}, "__module__": __name__}
    if default is not ...:
        body["field"] = default

    if problem is None:
        type("Marked", (Context,), body)
        return
    with pytest.raises(DefinitionError, match=problem) as caught:
        type("Marked", (Context,), body)
    assert ["FSM131"] == [finding.code for finding in caught.value.findings]


def test_a_copy_of_a_field_keeps_its_mark() -> None:
    """A class that is made of copies of fields has the same marks."""
    fields: dict[str, Any] = {n: (f.annotation, copy.deepcopy(f)) for n, f in Notes.__pydantic_fields__.items()}
    copied = create_model("Copied", __base__=Context, **fields)

    assert given_fields(Notes) == given_fields(copied)
    assert first_readable(Notes) == first_readable(copied)
