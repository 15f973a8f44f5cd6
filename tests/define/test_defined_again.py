"""A class that was defined again, as in a notebook, is told apart from the one of its name."""

from __future__ import annotations

from typing import Any

import pytest

from fsm_orch import Context, DefinitionError, Final, LLMAgent, Machine, Runner, StartError, State, Visit, guard
from fsm_orch.define.source import told_apart


class Query(Context):
    text: str


class Shop:
    pass


def work(visit: Visit[Query]) -> None:
    return None


class Desk(Machine[Query]):
    work = State(work, initial=True)
    done, human = Final(), Final(fallback=True)
    end = work.to(done)


def again(kind: type[Any]) -> Any:
    """Define a class anew."""
    return type(kind)(
        kind.__name__, kind.__bases__, {"__annotations__": {"text": "str"}, "__module__": kind.__module__}
    )


AGAIN = r"another class of the same name: \w+ was defined again"


def test_a_context_of_a_class_that_was_defined_again() -> None:
    """A run is not "on a Query, not on a Query": the message says what became of the class, and what to do."""
    with pytest.raises(
        StartError, match=rf"^Desk runs on a Query, not on a Query \({AGAIN}.*run what uses it again\)$"
    ):
        Runner(Desk).run_sync(again(Query)(text="x"))


def test_a_context_of_another_module() -> None:
    """Two classes of one name in two modules are told with their modules."""
    elsewhere = again(Query)
    elsewhere.__module__ = "elsewhere"

    with pytest.raises(StartError, match=rf"two classes of the same name, of {__name__} and of elsewhere"):
        Runner(Desk).run_sync(elsewhere(text="x"))


def test_fields_and_functions_of_a_class_that_was_defined_again() -> None:
    """Fields, guards and agents of the first class are told apart from those of the second when a machine is built."""
    later: Any = again(Query)

    @guard
    def is_long(query: Query) -> bool:
        return len(query.text) > 3

    with pytest.raises(DefinitionError) as caught:

        class Other(Machine[later]):
            ask = State(LLMAgent("Answer.", reads=Query.text), initial=True)
            work = State(work)
            done, human = Final(), Final(fallback=True)
            to_work, end = ask.to(work, "work", guard=is_long), (ask | work).to(done, "done")

    told = [finding for finding in caught.value.findings if finding.code in ("FSM111", "FSM112")]
    assert 3 == len(told)
    assert all("was defined again" in finding.problem for finding in told)


def test_a_state_of_a_machine_that_was_defined_again() -> None:
    """An agent for a state of the first machine is told to be for another state of that name."""

    class Other(Machine[Query]):
        work = State(work, initial=True)
        done, human = Final(), Final(fallback=True)
        end = work.to(done)

    with pytest.raises(StartError, match=r"<State work> is not a state of Desk now: it is another machine's"):
        Runner(Desk, agents={Other.work: work})


def test_what_bears_another_name_is_told_apart_by_it() -> None:
    """Nothing is added where the names say enough."""
    assert "" == told_apart(Query, Shop)
    assert "" == told_apart(Query, Query)
