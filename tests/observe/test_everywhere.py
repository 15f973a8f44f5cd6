"""Observers of every run: a guest of each, whatever their maker does, and in any order."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from fsm_orch import Context, Final, Machine, Runner, State, Visit
from fsm_orch.define.definition import Definition
from fsm_orch.observe import Observer, Record, everywhere
from fsm_orch.observe.everywhere import observers_of


class Query(Context):
    """What is asked."""

    text: str = ""


def work(visit: Visit[Query]) -> None:
    """Do nothing."""


class Desk(Machine[Query]):
    """Does nothing."""

    working = State(work, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = working.to(done)


def run() -> None:
    assert Runner(Desk).run_sync(Query()).state is Desk.done


def noting(seen: list[str], name: str) -> Callable[[Definition], Observer]:
    """Make observers that note a name once a run."""

    def observer_of(definition: Definition) -> Observer:
        def note(record: Record) -> None:
            if record.kind == "run_started":
                seen.append(name)

        return note

    return observer_of


def test_a_maker_that_raises_is_a_guest_too(caplog: pytest.LogCaptureFixture) -> None:
    """A maker that raises, or makes no function, is logged without its message, and costs neither runs nor others."""
    seen: list[str] = []

    def hostile(definition: Definition) -> Observer:
        raise RuntimeError("sk-secret")

    def useless(definition: Definition) -> Any:
        return None

    with caplog.at_level(logging.ERROR), everywhere(hostile), everywhere(useless), everywhere(noting(seen, "good")):
        run()

    assert ["good"] == seen
    assert ["RuntimeError", "TypeError"] == [r.args[1] for r in caplog.records if isinstance(r.args, tuple)]
    assert "sk-secret" not in caplog.text


def test_blocks_are_left_in_any_order() -> None:
    """Leaving a block takes away its own observer and no other, even one that is equal to it."""
    seen: list[str] = []

    class Alike:
        def __init__(self, name: str) -> None:
            self.observer_of = noting(seen, name)

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

        def __call__(self, definition: Definition) -> Observer:
            return self.observer_of(definition)

    first, second, third = everywhere(Alike("1")), everywhere(Alike("2")), everywhere(Alike("3"))
    for block in first, second, third:
        block.__enter__()
    second.__exit__(None, None, None)
    run()
    first.__exit__(None, None, None)
    run()
    third.__exit__(None, None, None)
    run()

    assert ["1", "3", "3"] == seen


def test_an_error_leaves_the_block() -> None:
    """What is raised inside a block ends its observing, and reaches whoever wrote it."""
    with pytest.raises(ZeroDivisionError), everywhere(noting([], "gone")):
        raise ZeroDivisionError

    assert () == observers_of(Desk.definition)


def test_makers_may_enter_and_leave_blocks() -> None:
    """A maker that opens or closes a block while a run begins changes the next run: this one has every observer."""
    seen: list[str] = []
    stack, inner = ExitStack(), everywhere(noting(seen, "inner"))

    def opening(definition: Definition) -> Observer:
        stack.enter_context(everywhere(opening))
        inner.__exit__(None, None, None)
        return lambda record: None

    with stack:
        stack.enter_context(everywhere(opening))
        inner.__enter__()
        run()

    assert ["inner"] == seen


def test_threads_come_and_go() -> None:
    """Threads that enter and leave blocks while others begin runs lose nobody's observer."""
    seen: list[str] = []
    is_over = threading.Event()

    def busy() -> None:
        while not is_over.is_set():
            with everywhere(noting([], "busy")):
                pass

    threads = [threading.Thread(target=busy) for _ in range(2)]
    with everywhere(noting(seen, "mine")):
        for thread in threads:
            thread.start()
        for _ in range(50):
            run()
        is_over.set()
        for thread in threads:
            thread.join()

    assert 50 == len(seen)
    assert () == observers_of(Desk.definition)


def test_what_makes_no_observers_is_refused() -> None:
    """An observer of records in the place of a maker is not noticed, but what is no function is, at the block."""
    observe: Any = "print"

    with (
        pytest.raises(TypeError, match=r"everywhere takes a function of a definition, not a str: everywhere\(lambda"),
        everywhere(observe),
    ):
        asyncio.run(Runner(Desk).run(Query()))
