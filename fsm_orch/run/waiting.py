"""What a run waits for: questions to humans, and their answers, each tried before it is folded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..agents.human import HumanAgent, as_answer
from ..define.changes import journaled
from ..define.wording import kind_of, quoted
from ..errors import AnswerError, AnswerLate, ContextError, WrongType
from ..kernel import inputs
from ..kernel.configuration import Configuration
from ..kernel.due import due
from ..kernel.effects import Act, AskHuman, Path
from ..kernel.engine import CompiledMachine
from ..kernel.records import AttemptFailed, Refused
from ..kernel.requests import AskHuman as AskedHuman
from ..kernel.requests import UseTool
from ..kernel.tree import levels
from ..models.unchangeable import unchangeable
from .attempt import attempt
from .cast import Cast
from .outcome import read_back
from .writer import Run

_NAMED, _KEY_CHARS = 3, 64
"""How many keys that an answer does not take are named, and how much of each."""

_APPROVAL: Mapping[str, Any] = unchangeable({"type": "boolean"})


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a human is asked, or is to approve. It can be kept anywhere and answered at any time, by its key."""

    key: str
    """Names it among all questions of all runs: `run:hops:ask`, and `run:hops.ask:hops:ask` inside a part."""
    state: str
    """The state whose agent asks."""
    text: str
    form: Mapping[str, Any] = field(hash=False)
    """The JSON schema of an answer; empty: any answer will do."""
    shown: Mapping[str, Any] = field(hash=False, default_factory=dict)
    """The fields that its agent reads, as JSON: what it is about."""
    expires_at: float | None = None
    """When it expires, in seconds of the epoch; None: never."""
    tool: str | None = None
    """The tool that is used if this is answered by True; None: it is no approval."""
    path: Path = ()
    """The machine in the tree that asks; `()` is the run itself."""
    ask: int = 0
    """Its number within the visit."""


def questions(compiled: CompiledMachine, now: Configuration) -> tuple[Question, ...]:
    """Return what humans are asked in a run that waits for nothing else; none if it does not."""
    return asked_in(compiled, now) if now.is_waiting else ()


def asked_in(compiled: CompiledMachine, now: Configuration) -> tuple[Question, ...]:
    """Return what humans are asked in a run, whatever else is due in it."""
    return tuple([_question(compiled, now, effect) for effect in due(now) if isinstance(effect, AskHuman)])


def open_questions(run: Run) -> tuple[Question, ...]:
    """Return what humans are asked in a run, be it that work is due beside it."""
    return asked_in(run.compiled, run.now)


def _question(compiled: CompiledMachine, now: Configuration, effect: AskHuman) -> Question:
    level = levels(compiled, now, effect.path)[-1]
    place, spec = level.now, level.compiled.states[effect.state].spec
    assert place.visit is not None  # what is due has one
    assert place.visit.round is not None
    request = place.visit.asks[effect.ask].request
    if isinstance(request, AskedHuman):
        text, form, tool = request.question, unchangeable(request.form), None
    else:
        assert isinstance(request, UseTool)  # no other is gated
        given = ", ".join(f"{name}={value!r}" for name, value in request.arguments.items())
        text, form, tool = f"Use {request.name}({given})?", _APPROVAL, request.name
    return Question(
        key=place.key_of(effect.ask),
        state=effect.state,
        text=text,
        form=form,
        shown=unchangeable(journaled(place.context, [ref.name for ref in spec.reads])),
        expires_at=place.visit.round.expires_at,
        tool=tool,
        path=effect.path,
        ask=effect.ask,
    )


def chosen(run: Run, question: Question | str | None) -> Question:
    """Return the question that is answered.

    Args:
        question: it, or its key; None: the only one.

    Raises AnswerError: if it asks several, and none is named.
    Raises AnswerLate: if it does not ask it.
    """
    asked = open_questions(run)
    if question is None and len(asked) == 1:
        return asked[0]
    key = question.key if isinstance(question, Question) else question
    found = next((each for each in asked if each.key == key), None)
    if found is not None:
        return found
    told = ", ".join(repr(each.key) for each in asked)
    waits = f"waits for {told}" if asked else f"waits for no answer, it is {run.now.status} in {run.now.state!r}"
    named = "no question is named" if key is None else f"{key!r} is not open"
    kind = AnswerError if asked and key is None else AnswerLate
    raise kind(f"{named}: run {run.now.run_id!r} {waits}")


def answered(
    run: Run, question: Question, answer: Any, *, id: str, who: str | None, cast: Cast, now_s: float
) -> inputs.Answered:
    """Return an answer as an input, once it was tried on a copy of the run.

    Args:
        answer: as users give it.
        id: names it among all answers of the run.
        now_s: seconds of the epoch.

    Raises AnswerError: if it is no JSON, does not fit, or its id is the key of its question.
    Raises AnswerLate: if it came too late.
    """
    if question.expires_at is not None and now_s >= question.expires_at:
        raise AnswerLate(f"{question.key!r} has expired: `Runner.expire` lets its run go on")
    if question.tool is not None and not isinstance(answer, bool):
        raise AnswerError(
            f"{question.text} is answered by True or False, which JSON spells true or false, not by {kind_of(answer)}; "
            "for a remark, ask in a state before, by a HumanAgent that writes it"
        )
    if id == question.key:
        raise AnswerError(f"{id!r} is the key of its question: give the answer an id of its own")
    event = _as_input(run, question, answer, id=id, who=who)
    # A bad answer that was folded would be a refusal for good. What it leads to can be tried exactly, as nothing else
    # happens meanwhile: the kernel is pure, and of the copy nothing is kept.
    if why := _refusal(run, event, cast):
        why = why.removeprefix("The reply did not fit: ").removesuffix(".")
        raise AnswerError(f"this answer to {question.key!r} does not fit: {why}{_expected(question, event.value)}")
    return event


def _expected(question: Question, given: Any) -> str:
    """Return which keys of an answer are too many, and all that it takes if it lacks some or has others.

    Who gave one value may not know of the others. Of the keys that came the first are named, and each is cut.
    """
    required = [str(name) for name in question.form.get("required", ())]
    if not required or not isinstance(given, Mapping):
        return _all_of(question)
    extra = [key for key in given if key not in question.form["properties"]]
    named = quoted(key[:_KEY_CHARS] for key in extra[:_NAMED])
    more = f", and {len(extra) - _NAMED} more" if len(extra) > _NAMED else ""
    over = f"; it does not take {named}{more}" if extra else ""
    return over + (_all_of(question) if extra or not given.keys() >= {*required} else "")


def _all_of(question: Question) -> str:
    fields = [f'"{name}": {_one_of(question.form["properties"][name])}' for name in question.form.get("required", ())]
    return f"; it takes all of {{{', '.join(fields)}}}" if len(fields) > 1 else ""


def _one_of(schema: Mapping[str, Any]) -> str:
    """Return the values that a field of a form takes, if they are few; the first mistake may hide that one is wrong."""
    choices = schema.get("enum", ())
    return " or ".join(map(json.dumps, choices)) if 0 < len(choices) <= _NAMED else "..."


def _as_input(run: Run, question: Question, answer: Any, *, id: str, who: str | None) -> inputs.Answered:
    """Return an answer as an input.

    Raises AnswerError: if it is no JSON.
    """
    machine = run.levels(question.path)[-1].compiled
    try:
        told = as_answer(answer, machine.states[question.state].state, machine.definition.context)
    except ContextError as error:
        raise AnswerError(str(error)) from None
    at = run.now.at if run.now.is_waiting else run.elapsed()  # no time passes while it waits for nothing else
    given = inputs.Answered(ask=question.ask, id=id, value=told, who=who, at=at, path=question.path)
    try:
        return read_back(given, "this answer")
    except WrongType:
        raise AnswerError("an answer is JSON: None, a bool, a number, a text, a list or a dict of them") from None


def is_given_already(run: Run, id: str, question: Question | str | None, answer: Any) -> bool:
    """Return whether the journal holds an answer of this id: then it is the same answer, which came twice.

    Raises AnswerError: if that is another answer, or to another question.
    """
    kept = enumerate(run.journal)
    place = next((n for n, event in kept if isinstance(event, inputs.Answered) and event.id == id), None)
    if place is None:
        return False
    first = run.journal[place]
    assert isinstance(first, inputs.Answered)
    # the run as it was then, which says what the answer is read by
    before = Run(run.compiled, run.journal[:place], clock=lambda: first.at, is_stored=True)
    asked = next((q for q in open_questions(before) if (q.path, q.ask) == (first.path, first.ask)), None)
    key = question.key if isinstance(question, Question) else question
    if asked is None or key not in (None, asked.key):
        raise AnswerError(f"id {id!r} is of another answer in this run: give each answer an id of its own")
    if _as_input(before, asked, answer, id=id, who=first.who).value != first.value:
        raise AnswerError(f"id {id!r} is of another answer to {asked.key!r}, which was first: load what it led to")
    return True


def _refusal(run: Run, event: inputs.Answered, cast: Cast) -> str | None:
    """Return why the agent that asked could not go on with an answer; None if it can, or acts otherwise."""
    copy = Run(run.compiled, [*run.journal, event], clock=lambda: event.at, is_stored=True)
    before = len(copy.records)
    act = next((effect for effect in due(copy.now) if isinstance(effect, Act) and effect.path == event.path), None)
    if act is None:  # its round is not over
        return None
    agent = cast.at(copy.levels(act.path)).agents[act.state]
    if not isinstance(agent, HumanAgent):  # it may do anything with the answer, which is not to be done twice
        return None
    doing = attempt(copy, act, agent, None, None, None, lambda: 0.0)
    if doing is not None:
        doing.work.close()
        return None
    return next(_refusals(copy, act.path, before), None)


def _refusals(copy: Run, path: Path, before: int) -> Iterator[str]:
    for record in copy.records[before:]:
        if record.stamp.path != path:
            continue
        # to take none of the handoffs is an answer too
        if isinstance(record, AttemptFailed) or (isinstance(record, Refused) and record.reason != "declined"):
            yield record.detail


def overdue(run: Run, now_s: float) -> Question | None:
    """Return a question that has expired, be it that work is due beside it; None if none has.

    Args:
        now_s: seconds of the epoch.
    """
    return next(
        (each for each in open_questions(run) if each.expires_at is not None and now_s >= each.expires_at), None
    )
