"""Code agents called one by one: what raises, hangs or writes what it may not is found, and nothing else is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.shown import ROOT, blocks

from fsm_orch import Context, Final, Given, Handoff, LLMAgent, Machine, Reply, State, Visit, guard
from fsm_orch.testing import assert_agents_act


class Order(Context):
    """What agents read and write."""

    query: str
    amount: Given[int] = 1
    word: str | None = None
    paid: bool = False


class NotFound(Exception):
    """What an agent may raise by design."""


@guard
def is_paid(order: Order) -> bool:
    return order.paid


@guard
def is_never(order: Order) -> bool:
    return order.amount > 5 and order.amount < 5


def fine(visit: Visit[Order]) -> dict[Any, Any]:
    return {Order.word: visit.context.query}


def machine(agent: Callable[[Any], Any], *, way: Any = None, timeout_s: float | None = None) -> type[Machine[Order]]:
    """A machine whose second state holds the agent; it reads what the first may have left unwritten."""

    class Shop(Machine[Order]):
        """Look, then act."""

        look = State(LLMAgent("Look.", reads=Order.query, writes=(Order.word, Order.paid)), initial=True)
        act = State(agent, reads=(Order.query, Order.amount, Order.word, Order.paid), writes=Order.word)
        done, human = Final(), Final(fallback=True)
        on = look.to(act, "go on", guard=way)
        off = look.to(human, "give up")
        ended = act.to(done)
        act.timeout_s = timeout_s

    return Shop


async def fine_later(visit: Visit[Order]) -> Reply:
    await asyncio.sleep(0)
    return Reply(changes={Order.word: "x"})


def long_word(visit: Visit[Order]) -> Any:
    return {Order.word: (visit.context.word or "")[3]}


def typo(visit: Visit[Order]) -> Any:
    if visit.context.amount > 100:
        return {Order.word: visit.context.wordy}  # type: ignore[attr-defined]
    return {Order.word: "x"}


async def typo_later(visit: Visit[Order]) -> Any:
    await asyncio.sleep(0)
    return {Order.word: str(1 // visit.context.amount)}


def leave(visit: Visit[Order]) -> Any:
    raise SystemExit(3)


def nothing(visit: Visit[Order]) -> None:
    return None


def number(visit: Visit[Order]) -> Any:
    return 7


def wrong_type(visit: Visit[Order]) -> Any:
    return {Order.word: 7}


def astray(visit: Visit[Order]) -> Any:
    return Reply(handoff="off", changes={Order.word: "x"})


async def hang(visit: Visit[Order]) -> Any:
    await asyncio.Event().wait()


async def give_up(visit: Visit[Order]) -> Any:
    raise TimeoutError


def unpaid(visit: Visit[Order]) -> Any:
    return {Order.word: "paid" if visit.context.paid else {}["unpaid"]}


def unknown(visit: Visit[Order]) -> Any:
    raise NotFound


@pytest.mark.slow
@pytest.mark.parametrize("agent", [fine, fine_later])
def test_an_agent_that_works_passes(agent: Callable[[Any], Any]) -> None:
    """A plain and an async agent that reply what their state declares are called and let pass."""
    assert_agents_act(machine(agent))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (long_word, r"long_word raised IndexError: string index out of range\n.*line \d+, in long_word"),
        (typo, r"typo raised AttributeError: 'Order' object has no attribute 'wordy'\n.*in typo(.|\n)*amount=101"),
        (typo_later, r"typo_later raised ZeroDivisionError(.|\n)*in typo_later\n(.|\n)*amount=0"),
        (leave, r"leave raised SystemExit: 3"),
        (nothing, r"nothing wrote nothing, and declares to write word"),
        (number, r"number raised fsm_orch.errors.WrongType: the agent of 'act' returned int; it may return None"),
        (wrong_type, r"wrong_type wrote what does not fit: word: "),
        (astray, r"astray proposed 'off', which does not leave its state"),
        (give_up, r"give_up raised TimeoutError"),
    ],
)
def test_what_is_wrong_is_found(agent: Callable[[Any], Any], said: str) -> None:
    """The agent, what it did, its line and the simplest context are named."""
    with pytest.raises(AssertionError, match=rf"Shop\.act: {said}") as found:
        assert_agents_act(machine(agent))

    assert "  on Order(query=" in str(found.value)
    assert "fsm_orch/" not in str(found.value).replace("in fsm_orch", "")


def test_an_agent_that_hangs_is_found() -> None:
    """A visit that outlives its time is told as such."""
    with pytest.raises(AssertionError, match=r"hang took longer than the 0\.01 s of its visit"):
        assert_agents_act(machine(hang, timeout_s=0.01))


@pytest.mark.slow
def test_contexts_keep_what_guards_promise() -> None:
    """An agent behind a guard is called only on contexts of which it holds."""
    with pytest.raises(AssertionError, match="unpaid raised KeyError"):
        assert_agents_act(machine(unpaid))
    assert_agents_act(machine(unpaid, way=is_paid))


@guard
def is_gift(order: Order) -> bool:
    return order.word == "wrapped as a gift" and order.amount > 90_000


def blind(visit: Visit[Order]) -> Any:
    """Read nothing, and so nothing of what the guard before it reads."""
    return {Order.paid: True}


class Gifts(Machine[Order]):
    """Look, then act behind guards on fields that the state behind them does not read."""

    look = State(LLMAgent("Look.", reads=Order.query, writes=(Order.word, Order.paid)), initial=True)
    wrap = State(blind, writes=Order.paid)
    send = State(blind, writes=Order.paid)
    done, human = Final(), Final(fallback=True)
    gift = look.to(wrap, "a gift", guard=is_gift)
    plain = look.to(send, "no gift", guard=is_paid & ~is_gift)
    ended = (wrap | send).to(done)


def test_a_guard_may_read_what_the_state_behind_it_does_not() -> None:
    """A state is entered by values that guards before it ask for, a bool or a text that only their code names."""
    assert_agents_act(Gifts)


@pytest.mark.parametrize("shown", [ROOT / "README.md", ROOT / "notebooks" / "1_first_machine.py"], ids=lambda p: p.name)
def test_the_machines_that_are_shown_act(shown: Path) -> None:
    """The code agents of the machines that README and the first notebook show pass."""
    desk: dict[str, Any] = {"__name__": "desk"}
    exec(compile(_desk(shown), "desk.py", "exec", dont_inherit=True), desk)

    assert_agents_act(desk["Desk"])


def _desk(shown: Path) -> str:
    if shown.suffix == ".md":
        return next(block.text for block in blocks(shown) if "class Desk" in block.text)
    cells = shown.read_text(encoding="utf-8").split("# %%\n")
    (cell,) = (cell for cell in cells if cell.startswith("# %%writefile desk.py\n"))
    return cell.partition("# %% [markdown]")[0]


def test_an_agent_that_is_never_reached_is_not_called() -> None:
    """Where no context passes a guard, that is said."""
    from hypothesis.errors import ResolutionFailed

    with pytest.raises(
        ResolutionFailed, match=r"enters 'act': no guard on a way into it held \(on: is_never\)\. If no"
    ):
        assert_agents_act(machine(fine, way=is_never))


def test_what_is_raised_by_design_passes() -> None:
    """An error that is named beforehand is no bug; without it, it is."""
    assert_agents_act(machine(unknown), may_raise=NotFound)
    with pytest.raises(AssertionError, match=r"unknown raised .*NotFound"):
        assert_agents_act(machine(unknown), may_raise=(LookupError, ArithmeticError))


class Till:
    """Dependencies that know how often they were opened and closed."""

    opened = closed = 0


@contextmanager
def till() -> Iterator[Till]:
    Till.opened += 1
    yield Till()
    Till.closed += 1


def pay(visit: Visit[Order, Till]) -> Any:
    assert isinstance(visit.deps, Till)
    return {Order.word: "paid"}


def look(visit: Visit[Order, Till]) -> Any:
    return {Order.paid: 1 // len(visit.context.query) >= 0}


class Payer(Machine[Order, Till]):
    """Look, which breaks, and pay."""

    look = State(look, reads=Order.query, writes=Order.paid, initial=True)
    pay = State(pay, writes=Order.word)
    done, human = Final(), Final(fallback=True)
    go: Handoff = look.to(pay)
    ended = pay.to(done)


def test_single_states_are_called_with_dependencies_of_the_tests_own() -> None:
    """Only what is named is called, each time with dependencies that are opened for it and closed after it."""
    assert_agents_act(Payer, Payer.pay, deps=Till)
    assert_agents_act(Payer, [Payer.pay], deps=till)

    assert Till.opened == Till.closed > 0
    with pytest.raises(AssertionError, match=r"Payer\.look: look raised ZeroDivisionError"):
        assert_agents_act(Payer, deps=till)


def test_nothing_is_called_with_nothing_to_pay_with() -> None:
    """A machine with dependencies is not called without them, and a state that is no code of it not at all."""
    with pytest.raises(TypeError, match=r"Payer has dependencies: give the test's own, as deps=lambda: \.\.\."):
        assert_agents_act(Payer)
    for wrong in (machine(fine).look, Payer.pay):
        with pytest.raises(ValueError, match=r"is no state of Shop whose agent is code\. There are: act"):
            assert_agents_act(machine(fine), wrong)
