"""What is handed out of a machine cannot change it, and is the same thing in a copy and in another process."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import inspect
import multiprocessing
import operator
import pickle
import threading
import types
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from fsm_orch import (
    CallDenied,
    CallFailed,
    Context,
    DefinitionError,
    Final,
    FsmError,
    KeywordAgent,
    Limits,
    LLMAgent,
    Machine,
    MemoryStore,
    Runner,
    RunResult,
    ScriptedModel,
    State,
    Visit,
    guard,
    never,
)
from fsm_orch.define.agent_spec import AgentSpec
from fsm_orch.define.sealed import Sealed, remade


class Query(Context):
    text: str
    ok: bool = False
    answer: str | None = None


@guard
def is_ok(query: Query) -> bool:
    return query.ok


@guard
def always(query: Query) -> bool:
    return True


def work(visit: Visit[Any]) -> None:
    return None


class Desk(Machine[Query]):
    """Declares one of everything."""

    route = State(work, initial=True, max_visits=2, reads=Query.text)
    told = State(LLMAgent("Answer.", does=("help",), reads=Query.text, writes=Query.answer), max_visits=2)
    refund = State(work)
    done = Final()
    human = Final(fallback=True, sets={Query.answer: "Later."})
    words = State(KeywordAgent(Query.text, {refund: "money"}, otherwise=done))
    to_refund = route.to(refund, guard=is_ok & ~(always & is_ok))
    to_told, to_words = route.to(told), route.to(words)
    back, end = told.to(route, "again"), told.to(done, "good")
    paid = (refund | words).to(done)
    by_word = words.to(refund)
    late = told.on_timeout(human)
    limits = Limits(hops=50, tokens=50_000)
    policies = (never(refund | is_ok).before(route),)


ASKED = Query(text="x")


def runner(**agents: Any) -> Runner[Query, None]:
    model = ScriptedModel([{"handoff": "end", "answer": "a"}] * 9)
    return Runner(Desk, model=model, agents={getattr(Desk, name): agent for name, agent in agents.items()})


def handed() -> Visit[Query]:
    """Return what an agent is given."""
    given: list[Visit[Query]] = []
    runner(route=given.append).run_sync(Query(text="x"))
    return given[0]


FILLED = MutableMapping | MutableSequence | MutableSet


def reached(root: object) -> Iterator[object]:
    """Yield everything of ours that public attributes lead to, and every container on the way."""
    seen: dict[int, object] = {}
    stack = [root]
    while stack:
        it = stack.pop()
        if id(it) in seen or isinstance(it, str | bytes | int | float | type):
            continue
        seen[id(it)] = it
        yield it
        if isinstance(it, Mapping):
            stack += [*it.keys(), *it.values()]
        elif isinstance(it, tuple | frozenset | MutableSequence | MutableSet):
            stack += it
        if type(it).__module__.startswith("fsm_orch.") and not inspect.ismethod(it):
            for name in attributes(it):
                value = getattr(it, name)
                if not isinstance(value, FILLED) or getattr(it, name) is value:  # else a copy, made anew each time
                    stack.append(value)


def attributes(it: object) -> list[str]:
    names = [name for name in dir(it) if not name.startswith(("_", "model_"))]
    return [name for name in names if not callable(getattr(it, name, print))]


ROOTS: dict[str, Callable[[], object]] = {
    "visit": lambda: operator.attrgetter("state", "exits", "legal", "messages", "refusals")(handed()),
    "result": lambda: operator.attrgetter("state", "messages", "path", "usage", "records")(runner().run_sync(ASKED)),
    "definition": lambda: Desk.definition,
    "compiled machine": lambda: runner().compiled.states,
    "attributes": lambda: (Desk.route, Desk.to_refund, Desk.human, Desk.limits, Desk.policies, is_ok),
}


@pytest.mark.parametrize("root", ROOTS)
def test_nothing_that_is_handed_out_can_be_changed(root: str) -> None:
    """No part of a built machine takes an assignment or a deletion, or holds what can be filled."""
    before, digest = repr(Desk.definition), Desk.definition.digest
    tried = 0
    for it in reached(ROOTS[root]()):
        assert not isinstance(it, FILLED)
        assert not isinstance(it, Sealed | AgentSpec) or not hasattr(it, "__dict__")
        if isinstance(it, Sealed | BaseModel | msgspec.Struct) or dataclasses.is_dataclass(it):
            for name in attributes(it):
                tried += 1
                with pytest.raises((AttributeError, TypeError, ValueError)):
                    setattr(it, name, getattr(it, name))
                with pytest.raises((AttributeError, TypeError, ValueError)):
                    delattr(it, name)
                if isinstance(it, Sealed):
                    with pytest.raises(AttributeError):
                        object.__setattr__(it, name, getattr(it, name))

    assert tried > 40
    assert (before, digest) == (repr(Desk.definition), Desk.definition.digest)


def test_an_assignment_says_what_is_frozen() -> None:
    """Whoever assigns to a part of a machine is told which, and where to declare it instead; the visit has failed."""

    def raises(visit: Visit[Query]) -> None:
        visit.state.max_visits = 1_000

    result = runner(route=raises).run_sync(Query(text="x"))

    assert result.landing is not None
    assert "failure" == result.landing.reason
    assert "'max_visits' of <State route> cannot be changed" in str(result.error)
    assert "cannot be changed" in result.landing.detail
    assert 2 == Desk.route.max_visits


def test_a_compiled_machine_is_frozen_too() -> None:
    """The limits of a runner are those it was made with."""
    with pytest.raises(AttributeError, match="'limits' of"):
        runner().compiled.limits = Limits(hops=1_000)


@pytest.mark.parametrize("limit", ["hops", "tokens", "deadline_s"])
def test_the_limits_in_records_and_journals_are_not_the_machines(limit: str) -> None:
    """An observer or a store that changes the limits it is shown, by whatever way, raises none of any run."""
    ours, before = Desk.definition.limits, Desk.definition.limits.model_copy()

    def raises_it(record: Any) -> None:
        if hasattr(record, "limits"):
            vars(record.limits)[limit] = 10**6

    made = Runner(Desk, model=ScriptedModel([{"handoff": "ok"}]), observers=[raises_it])
    result = made.run_sync(Query(text="x"))
    raises_it(result.journal[0])

    assert [before, before] == [ours, made.compiled.limits]


def test_the_limits_in_a_record_are_not_the_journals() -> None:
    """An observer that changes the limits it is shown changes neither what is stored nor what is replayed."""

    def raises_it(record: Any) -> None:
        if hasattr(record, "limits"):
            vars(record.limits)["hops"] = 10**6

    store = MemoryStore()
    made = Runner(Desk, model=ScriptedModel([{"handoff": "ok"}]), observers=[raises_it], store=store)
    result = made.run_sync(Query(text="x"), run_id="r")
    (again,) = [record for record in made.replay(result.journal).records if hasattr(record, "limits")]
    raises_it(again)

    (kept, *_) = asyncio.run(store.load("r"))
    assert [Desk.definition.limits] * 2 == [kept.limits, result.journal[0].limits]


def test_a_part_that_is_made_anew_is_open_and_leaves_the_first_as_it_was() -> None:
    """An edit of a machine is made on parts of its own."""
    made = remade(Desk.route, max_visits=1)
    made.timeout_s = 3.0

    assert (1, 3.0) == (made.max_visits, made.timeout_s)
    assert (2, None) == (Desk.route.max_visits, Desk.route.timeout_s)
    assert made.agent is Desk.route.agent


# --- copies, and other processes ------------------------------------------------------------------------------------


class Broken(Exception):
    """An error that no other process can make."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)
        self.lock = threading.Lock()


class Whole(Exception):
    """An error that another process can make."""


def fails(visit: Visit[Query]) -> None:
    raise {"broken": Broken("a", "b"), "whole": Whole("ab")}[visit.context.text]


WAYS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda it: pickle.loads(pickle.dumps(it)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("part", ["route", "human", "to_refund"])
def test_a_part_of_a_machine_is_itself_in_every_copy(way: str, part: str) -> None:
    """A state, a final state or a handoff is compared with `is`, so a copy of it is itself."""
    assert WAYS[way](getattr(Desk, part)) is getattr(Desk, part)


def test_a_part_of_no_machine_has_no_name_to_be_pickled_by() -> None:
    """A state that was declared outside a machine is not pickled, and says why."""
    with pytest.raises(TypeError, match="belongs to no machine yet"):
        pickle.dumps(State(work))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("text", ["broken", "whole"])
def test_a_result_means_the_same_in_every_copy(way: str, text: str) -> None:
    """The state of a copied result is the machine's own, and its error says what it said."""
    result = runner(route=fails).run_sync(Query(text=text))
    again: RunResult[Query] = WAYS[way](result)

    assert again.state is Desk.human
    assert (result.context, result.path, result.journal) == (again.context, again.path, again.journal)
    assert str(again.error).endswith("ab")
    assert type(again.error) is type(result.error)


MADE = ("path", "landing", "messages")
"""What of a result is made when it is read."""


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_made_when_it_is_read_is_in_every_copy(way: str, is_read: bool) -> None:
    """Whether somebody has read them before or not: a result and its copy are equal, and have the same parts."""
    result = runner().run_sync(ASKED)
    parts = [getattr(runner().replay(result.journal), part) for part in MADE]
    if is_read:
        assert parts == [getattr(result, part) for part in MADE]
    again: RunResult[Query] = WAYS[way](result)

    assert again == result
    assert parts == [getattr(again, part) for part in MADE]
    assert again == result
    assert (again is result) == (way != "pickle")  # nothing in it changes


def test_a_result_shows_where_it_went_and_why() -> None:
    """Whoever prints a result sees its path and why it was landed."""
    result = runner(route=fails).run_sync(Query(text="broken"))

    assert repr(result.path) in repr(result)
    assert repr(result.landing) in repr(result)
    assert repr(result.context) in repr(result)
    assert "records=" not in repr(result)


def _local() -> type[Exception]:
    class Local(Exception):
        pass

    return Local


@pytest.mark.parametrize(
    "error", [_local()("ab"), ExceptionGroup("ab", [ValueError()]), KeyError(object())], ids=range(3)
)
def test_an_error_that_cannot_be_sent_is_told(error: Exception) -> None:
    """An error that no other process could make is told there by its class and text, and its result is whole."""

    def raises(visit: Visit[Query]) -> None:
        raise error

    again = pickle.loads(pickle.dumps(runner(route=raises).run_sync(ASKED)))

    assert FsmError is type(again.error)
    assert type(error).__name__ in str(again.error)
    assert again.state is Desk.human


def run_there(text: str) -> RunResult[Query]:
    return runner(route=fails).run_sync(Query(text=text))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["spawn", "forkserver"])
def test_a_result_crosses_the_border_of_a_process(how: str) -> None:
    """A run in another process ends in the state of this one's machine."""
    with multiprocessing.get_context(how).Pool(1) as pool:
        (broken, whole) = pool.map(run_there, ["broken", "whole"])

    assert (Desk.human, Desk.human) == (broken.state, whole.state)
    assert isinstance(whole.error, Whole)
    assert (Broken, "ab") == (type(broken.error), str(broken.error))


def _refused() -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        types.new_class("Empty", (Machine[Query],))
    return caught.value


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "error",
    [CallDenied("too large"), CallFailed("connection", "it broke", unsent=True, retry_after_s=2.5), _refused()],
    ids=lambda error: type(error).__name__,
)
def test_an_error_says_in_every_copy_what_it_said(way: str, error: FsmError) -> None:
    """An error says what it said, once, and carries what it carried."""
    error.add_note("noted")
    again = WAYS[way](error)

    assert (type(error), str(error), vars(error)) == (type(again), str(again), vars(again))


class Text(Context):
    text: str


class Reader(Machine[Text]):
    first = State(work, reads=Text.text, initial=True)
    done, human = Final(), Final(fallback=True)
    end = first.to(done)


@pytest.mark.parametrize("way", WAYS)
def test_what_an_agent_sees_can_be_copied(way: str) -> None:
    """A copy of the context that an agent sees is a context, if the agent reads all of it; a visit is itself."""
    seen: list[object] = []

    def look(visit: Visit[Text]) -> None:
        assert copy.deepcopy(visit) is visit
        seen.append(WAYS[way](visit.context))

    result = Runner(Reader, agents={Reader.first: look}).run_sync(Text(text="x"))

    assert result.landing is None, result.error
    assert [Text(text="x")] == seen
    assert type(seen[0]) is Text


def test_a_copied_model_books_on_the_run_itself() -> None:
    """A copy of a metered model is itself, so that no call is booked where nobody counts it."""
    seen: list[Any] = []

    class Asks(LLMAgent):
        async def act(self, visit: Visit[Query, Any]) -> Any:
            seen.append((visit.model, copy.deepcopy(visit.model)))
            return await super().act(visit)

    class Small(Machine[Query]):
        ask = State(Asks("Answer.", reads=Query.text), initial=True)
        done, human = Final(), Final(fallback=True)
        end, no = ask.to(done, "yes"), ask.to(human, "no")

    Runner(Small, model=ScriptedModel([{"handoff": "end"}])).run_sync(Query(text="x"))

    ((model, copied),) = seen
    assert model is copied
