"""What a user gives to a runner: what is of a wrong kind is refused where it is given, with what is expected."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, get_args

from ..define.definition import Definition
from ..define.wording import kind_of
from ..errors import AnswerError, StartError, StepError
from ..kernel.codec import to_json
from ..kernel.inputs import Input, Started
from ..limits import Limits
from ..messages import Message
from ..observe.base import Observer, Tracer
from ..observe.prompted import OnPrompt
from ..observe.tracing import is_trace_parent
from ..resilience.retry import Retry
from ..store.base import Store
from ..store.named import store_at
from .account import account_of
from .loading import checked
from .result import RunResult


def checked_limits(given: Limits | None) -> Limits | None:
    """Return the limits of a runner.

    Raises TypeError: if they are not `Limits`, such as a dict.
    """
    if given is None or isinstance(given, Limits):
        return given
    raise TypeError(f"limits= takes Limits, not {kind_of(given)}: write limits=Limits(hops=...)")


def checked_observers(given: Iterable[Observer | Tracer]) -> tuple[Observer | Tracer, ...]:
    """Return the observers of a runner.

    Raises TypeError: if they are not plain functions in a list.
    """
    if not isinstance(given, Iterable) or isinstance(given, str):  # type: ignore[redundant-expr]
        one = getattr(given, "__name__", "...")
        raise TypeError(f"observers= takes a list of functions, not {kind_of(given)}: write observers=[{one}]")
    observers = tuple(given)
    for observer in observers:
        if not (isinstance(observer, Tracer) or callable(observer)):
            raise TypeError(f"an observer is a function of a record, not {kind_of(observer)}: write one")
    if any(map(inspect.iscoroutinefunction, observers)):
        raise TypeError("an observer is a plain function: it is called on the event loop and never awaited")
    return observers


def checked_on_prompt(given: OnPrompt | None) -> OnPrompt | None:
    """Return what is told of prompts.

    Raises TypeError: if it is not a plain function.
    """
    is_one: bool = callable(given) and not isinstance(given, type) and not inspect.iscoroutinefunction(given)
    if given is None or is_one:
        return given
    raise TypeError(f"on_prompt= takes a plain function of a Prompted, not {kind_of(given)}: write on_prompt=print")


def checked_store(given: Store | str | None) -> Store | None:
    """Return the store of a runner.

    Raises TypeError: if it is not a store, such as the class of one.
    Raises ValueError: if its leases are over as soon as they begin.
    Raises StartError: if it is a URL that names no database, or a package for it is missing.
    """
    if isinstance(given, str):
        return store_at(given)
    if isinstance(given, type):
        raise TypeError(f"store= takes a store, not {kind_of(given)}: write store={given.__name__}()")
    if given is None:
        return None
    if hasattr(given, "append") and hasattr(given, "load"):
        lease_s: float | None = getattr(given, "lease_s", None)
        if lease_s is not None and not 0 < lease_s < float("inf"):
            raise ValueError(f"a lease lasts for more than 0 seconds, and that of this store for {lease_s}: 15 will do")
        return given
    raise TypeError(
        f"store= takes a store, or its URL, not {kind_of(given)}: give MemoryStore() or 'sqlite:///runs.db'"
    )


def checked_retry(given: Retry | None) -> Retry | None:
    """Return how a runner tries calls again.

    Raises TypeError: if it is not a `Retry`, such as a number.
    """
    if given is None or isinstance(given, Retry):
        return given
    raise TypeError(
        f"retry= takes a Retry or None, not {kind_of(given)}: how often a call is tried is the `calls` of its agent, "
        "retry=Retry(...) says how long to wait"
    )


def check_work(*, concurrency: int = 50, poll_s: float = 1.0) -> None:
    """Check how many runs are driven at once, and the pause between two looks at a store.

    Raises ValueError: if they are less than 1, or it is no time.
    """
    if concurrency < 1 or not 0 < poll_s < float("inf"):
        raise ValueError(f"a worker drives 1 run or more at once, and pauses for a time, not {concurrency}, {poll_s}")


def check_follow(store: Store | None, *, after: int, poll_s: float) -> None:
    """Check from where a run is followed, and how often its store is asked.

    Raises StartError: if there is no store.
    Raises ValueError: if a number is negative, or no time.
    """
    checked(store)
    if after < 0 or not 0 < poll_s < float("inf"):
        raise ValueError(f"a run is followed after a record from 0, and its store asked in a time: {after}, {poll_s}")


def check_deps(definition: Definition, deps: object) -> None:
    """Check that dependencies are given exactly where a machine declares some.

    Raises StartError: if they are missing, or nothing asks for them.
    """
    wanted = definition.deps
    if wanted is None and deps is not None:
        context = definition.context.__name__
        raise StartError(
            f"{definition.name} has no dependencies: leave deps= out, or declare their type, Machine[{context}, ...]"
        )
    if wanted is not None and deps is None and type(None) not in get_args(wanted):
        raise StartError(f"{definition.name} has dependencies: give them as deps=")


def check_factory(definitions: Sequence[Definition], deps: object) -> None:
    """Check that a worker can make dependencies exactly where one of its machines declares some.

    Args:
        deps: makes them; a machine without any takes none, whatever the others do.

    Raises StartError: if they are missing, or no machine asks for them.
    """
    for definition in [each for each in definitions if each.deps is not None] or definitions:
        check_deps(definition, deps)


def messages_of(given: Any) -> tuple[Message, ...]:
    """Return the conversation that a run is given.

    Raises StartError: if it is anything but messages, or one of them has no place in it.
    """
    if type(given) is tuple and not given:  # not by `==`, which is the caller's
        return ()
    is_one = not isinstance(given, Iterable) or isinstance(given, str | Mapping)
    messages: tuple[Any, ...] = (given,) if is_one else tuple(given)
    wrong = [said for said in messages if is_one or not isinstance(said, Message)]
    if wrong:
        raise StartError(
            f"the messages of a run are a tuple of Message objects, not {'' if is_one else 'of '}{kind_of(wrong[0])}: "
            "(Message(role='user', content='...'),)"
        )
    if any(said.agent is None and (said.tool_calls or said.role == "tool") for said in messages):
        raise StartError(
            "the messages of a run hold a call of a tool, or its result, that is no agent's: only the agent that made "
            "a call sees it. Name its state as agent=..., or leave both out"
        )
    return messages


def check_first(first: Started) -> None:
    """Check that the first input of a run can be written: it is the one that callers have a part in.

    Raises StartError: if an id is no text that UTF-8 can encode, that of the run is empty, or JSON does not give back a
        message.
    """
    check_new_id("run_id", first.run_id)
    for name in ("thread_id", "trace_id", "trace_parent", "tenant"):
        held = getattr(first, name)
        if held is not None:
            _check_text(name, held, StartError)
    if first.trace_parent is not None and not is_trace_parent(first.trace_parent):
        raise StartError("trace_parent= is a span as the header traceparent writes it: 00-<32 hex>-<16 hex>-01")
    if first.messages:  # its context has been looked at, and all else is ours
        try:
            to_json(first)
        except StepError as error:
            raise StartError(f"this conversation cannot be journaled: {error}") from None


def check_new_id(name: str, run_id: object) -> None:
    """Check the id of a run that is made.

    Raises StartError: if it is no text that UTF-8 can encode, or empty.
    """
    if run_id == "":
        raise StartError(f"{name}= names a run, and '' names none: leave it out for a random one")
    _check_text(name, run_id, StartError)


def check_thread(first: Started, store: Store | None) -> None:
    """Check that the limits of a thread can be kept.

    Raises StartError: if no store keeps what its runs have taken.
    """
    if account_of(first) is not None and not hasattr(store, "charge"):
        raise StartError(
            "the limits of a thread are kept by a store, and this runner has none that does: "
            "Runner(..., store=MemoryStore())"
        )


def check_run_id(run_id: object) -> None:
    """Check the id of a run that goes on.

    Raises StartError: if it is no text that UTF-8 can encode.
    """
    _check_text("run_id", run_id, StartError)


def check_canceller(who: object) -> None:
    """Check the name of the human who cancels a run.

    Raises StartError: if it is no text that UTF-8 can encode, or is empty.
    """
    if who == "":
        raise StartError("who= names a human, and '' names nobody: leave it out")
    if who is not None:
        _check_text("who", who, StartError)


def check_answer(*, id: object, who: object) -> None:
    """Check the id of an answer, and the name of the human who gives it.

    Raises AnswerError: if one is no text that UTF-8 can encode, or the id is empty.
    """
    for name, held in (("id", id), ("who", who)):
        if held is not None:
            _check_text(name, held, AnswerError)
    if id == "":
        raise AnswerError("id= names an answer, and '' names none: leave it out for a random one")


def check_no_answer(**said: object) -> None:
    """Check that nothing is said of an answer where none is given.

    Raises AnswerError: if something is.
    """
    if names := [f"{name}=" for name, held in said.items() if held is not None]:
        raise AnswerError(
            f"{', '.join(names)} says something of an answer, and none is given: resume(run_id, answer, ...)"
        )


def _check_text(name: str, held: object, error: type[AnswerError | StartError]) -> None:
    """Check that something is text that UTF-8 can encode.

    Raises the error: if it is not.
    """
    if not _is_text(held):
        raise error(f"{name}= takes text that UTF-8 can encode, and this {type(held).__name__} is none")


def _is_text(held: object) -> bool:
    try:
        return isinstance(held, str) and (held.isascii() or bool(held.encode()))
    except UnicodeEncodeError:
        return False


def journal_of(given: Iterable[Input]) -> tuple[Input, ...]:
    """Return a journal to replay.

    Raises TypeError: if it is something else, such as a result, its records or a run id.
    """
    if isinstance(given, RunResult):
        raise TypeError("replay takes a journal, not a result: give result.journal")
    if isinstance(given, str):
        raise TypeError("replay takes a journal, not a run id: give await store.load(run_id)")
    if isinstance(given, Awaitable):
        raise TypeError("replay takes a journal, not what is still to be awaited: give await store.load(run_id)")
    if not isinstance(given, Iterable):
        raise TypeError(f"replay takes a journal, not {kind_of(given)}: give result.journal")
    journal = tuple(given)
    for event in journal:
        if not isinstance(event, Input):
            raise TypeError(f"a journal holds inputs, not {kind_of(event)}: give result.journal")
    return journal
