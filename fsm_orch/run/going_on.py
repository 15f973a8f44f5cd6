"""How a stored run goes on: from where its process ended, with an answer, when a question expires, or to be landed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import AnswerError, AnswerLate, LeaseHeld, LeaseLost, StartError
from ..kernel.engine import CompiledMachine
from . import follows, start
from .driver import Driver
from .head import folding
from .ids import random_id
from .inbox import cancelled_by, check_folded
from .lease import let_go
from .loading import asked, checked, loaded, not_known
from .rebound import check_bound
from .resume import take_over
from .unread import check_unread
from .waiting import Question, answered, chosen, is_given_already
from .writer import Run


async def resume(
    driver: Driver, run_id: str, deps: Any, *, effects: bool = False, was: Sequence[CompiledMachine] = ()
) -> Run:
    """Go on with a stored run whose process ended, or give it as it is if it waits or has ended.

    Args:
        effects: whether a fork may begin effects that are not recorded.
        was: other versions of the machine, on which runs may have been made that a fork comes from.

    Raises Withheld: if it is a fork that comes to an effect which it must not begin.
    """
    async with driver.owned(run_id, StartError, effects=effects, was=was) as (run, news):
        take_over(run)
        await driver.inbox.fold(run, news)
        await driver.drive(run, deps)
    return run


async def answer(
    driver: Driver,
    run_id: str,
    question: Question | str | None,
    answer: Any,
    *,
    id: str | None,
    who: str | None,
    deps: Any,
    effects: bool = False,
) -> Run:
    """Go on with a stored run that asks a human, with an answer; with one that it has already, as it stands.

    The inbox says which answer was first. So it is put there before anything else, and stays there if whoever drives
    the run is to fold it.

    Raises AnswerError: if it does not fit; an `AnswerLate` if another came first, or it is late. Nothing has changed.
    Raises LeaseHeld: if it is in the inbox of a run that is under way, here or elsewhere.
    """
    store = checked(driver.store)
    seen = await looked_at(driver, run_id)
    if id is not None and is_given_already(seen, id, question, answer):
        return await resume(driver, run_id, deps, effects=effects)
    check_unread(seen.compiled, seen.now)
    asks, by = chosen(seen, question), id or random_id()
    event = answered(seen, asks, answer, id=by, who=who, cast=driver.cast, now_s=driver.wall_clock())
    first = await asked(lambda run: store.post(run, asks.key, by, event.value, who=who), run_id)
    if first != by:
        raise AnswerLate(
            f"another answer to {asks.key!r}, {first!r}, came first: it is in the inbox of run {run_id!r}, and "
            f"await runner.resume({run_id!r}) goes on with it if nobody does"
        )
    if run_id in driver.driven:
        await driver.heart.look()
        raise _in_inbox(run_id, "by this runner")
    try:
        async with driver.owned(run_id, AnswerError, effects=effects) as (run, news):
            take_over(run)
            await driver.inbox.fold(run, news)  # this answer too, which came before the claim
            await _stored(run)
            check_folded(run, asks.key, by)
            await driver.drive(run, deps)
    except LeaseHeld as held:
        raise _in_inbox(run_id, f"elsewhere ({held})") from held
    return run


async def expire(driver: Driver, run_id: str, deps: Any) -> Run:
    """Let the questions expire whose time is over, and go on if there is one.

    Raises AnswerError: if an answer came first.
    """
    async with driver.owned(run_id, StartError) as (run, news):
        before, is_waiting = len(run.journal), run.now.is_waiting
        await driver.inbox.fold(run, news)
        if is_waiting:
            # all of them before anything is done: what the first led to may be work, beside which others are late
            driver.inbox.expire(run)
        await _stored(run)
        if not is_waiting and len(run.journal) == before:  # it is not for this to go on with it
            await let_go(checked(driver.store), run_id, run.epoch, is_open=bool(run.is_open))
            return run
        take_over(run)
        await driver.drive(run, deps)
    return run


async def cancel(driver: Driver, run_id: str, who: str | None) -> Run | None:
    """Have a run landed by whoever drives it. Return it if that is nobody else, or if it has ended."""
    is_known = await asked(partial(checked(driver.store).ask_cancel, who=who), run_id)
    if driver.driven.is_on_store(run_id):
        if is_known:
            await driver.heart.look()  # the store says who was the first to ask
        driver.driven.land(run_id, cancelled_by(who))  # the store may not know it yet
        return None
    try:
        async with driver.owned(run_id, StartError, needs={}) as (run, news):
            take_over(run)
            await driver.inbox.fold(run, news)
            await driver.drive(run, None)
    except LeaseHeld:
        return None
    return run


async def looked_at(driver: Driver, run_id: str, *, is_whole: bool = False) -> Run:
    """Return a stored run as it stands, which is not driven.

    Args:
        is_whole: with what was said before it, as far as that is kept.

    Raises StartError: if the store does not know it.
    """
    store = checked(driver.store)
    journal = await loaded(store, run_id)
    if not journal:
        raise not_known(run_id)
    await check_bound(store, driver.compiled, journal[0])
    compiled = start.compiled_for(driver.compiled, journal[0])
    heard = await follows.heard(store, compiled, journal[0], is_needed=False) if is_whole else ()
    with folding(compiled, journal):
        return Run(compiled, journal, clock=lambda: journal[-1].at, is_stored=True, heard=heard)


async def _stored(run: Run) -> None:
    """Store what came from outside for a run that is not driven yet.

    Raises AnswerLate: if something else was stored meanwhile.
    Raises what the store raises: an exit or a cancellation as a StoreError.
    """
    try:
        await run.flush()
    except LeaseLost as lost:
        raise AnswerLate(
            f"something else happened to run {run.now.run_id!r} first: load what it waits for now"
        ) from lost


def _in_inbox(run_id: str, where: str) -> LeaseHeld:
    """Return what is told to who answers a run that is under way."""
    return LeaseHeld(
        f"run {run_id!r} is driven {where}: the answer is in its inbox, where it is the first, and is folded at the "
        "next beat if its question is still open then"
    )
