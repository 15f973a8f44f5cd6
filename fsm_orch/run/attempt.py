"""One attempt of an agent: it begins at once, and what it does then can be given up without ending the run."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, cast

from ..agents.base import Agent, PlainAgent, Reply, Round, Visit
from ..define.watched import watched
from ..kernel.configuration import Configuration
from ..kernel.effects import Act
from ..models.base import Model, Request, Response
from ..models.metered import MeteredModel
from ..observe.prompted import Prompted
from ..observe.tracing import entered
from ..resilience.base import Pacing
from ..resilience.gate import Gate
from ..resilience.retry import Retry
from .conversation import seen_by
from .deltas import listener_at
from .desk import AttemptDesk
from .held import HELD_S, tell_held
from .in_time import in_time
from .outcome import TooLate, check, take
from .paid import AttemptMemory
from .passage import Passage
from .raised import Raised
from .work import Doing
from .writer import Run

_REPLIES = Reply, Round


def attempt(
    run: Run,
    act: Act,
    agent: Agent,
    model: Model | None,
    retry: Retry | None,
    deps: Any,
    wall: Callable[[], float],
    gate: Gate | None = None,
) -> Doing | None:
    """Let an agent act while its visit has time, and fold its reply or why it failed; do not begin one without time.

    Return the work that has begun; None if it is done, as for most plain agents.

    Args:
        wall: seconds of the epoch, for what expires.
        gate: what the attempt goes through before its agent acts; None: there is none.

    Raises BaseException, here or where it is awaited: what is no failure of an agent, a guard or a validator; or what
        the store raised. The reply is not folded then.
    """
    run.see_gates()
    # The desk closes before anything is folded. What the attempt still does afterwards is refused there, so an agent
    # that was given up can neither spend nor write.
    desk = AttemptDesk(run, act)
    before, now = run.now, desk.place if act.path else run.now
    assert now is not None  # what is due has a visit
    metered = None if model is None else _metered(run, desk, now, model, retry, None if gate is None else gate.pace)
    visit = visit_at(run, desk, now, metered, deps)
    ending = partial(_end, run, desk, agent, metered, visit.key, wall)
    seconds = desk.seconds_left()
    if seconds <= 0:  # since the visit was entered others may have had the loop, or a store was waited for
        ending(TooLate("the visit's time was over before its agent could begin"))
        return None
    # the agent's own: a variable that it sets reaches its coroutine, and neither the run nor the next agent
    context = entered(run.traces, act)
    if gate is not None:
        passage = Passage(run, desk, gate, is_metered=metered is not None)
        inside, told = partial(passage.then, partial(agent.act, visit)), partial(passage.told, ending)
        return Doing(desk, passage.left(_awaited(run, desk, act, agent, inside, seconds, context, told)))
    if not isinstance(agent, PlainAgent):
        return Doing(desk, _awaited(run, desk, act, agent, partial(agent.act, visit), seconds, context, ending))
    clock = asyncio.get_running_loop().time
    began = clock()
    result, is_begun = context.run(_begin, agent, visit)
    if (held := clock() - began) >= HELD_S:
        tell_held(act.state, agent.spec, held, is_plain=True)
    if is_begun:
        begun = cast("Awaitable[object]", result)
        acting, left = partial(_itself, begun), desk.seconds_left()
        return Doing(desk, _awaited(run, desk, act, agent, acting, left, context, ending, begun=begun))
    # it held the loop: nothing else can have happened, unless it used its model, which it cannot have waited for
    ending(result, still=now if run.now is before else None)
    return None


async def _awaited(
    run: Run,
    desk: AttemptDesk,
    act: Act,
    agent: Agent,
    acting: Callable[[], Awaitable[object]],
    seconds: float,
    context: contextvars.Context,
    ending: Callable[[object], None],
    begun: object = None,
) -> None:
    """Await what an agent does, and end the attempt.

    Args:
        begun: what a plain agent has begun.
    """
    if desk.is_closed:  # others came first, before the task that this is had its first turn
        desk.close()
        if isinstance(begun, Coroutine):
            begun.close()
        return
    result = await in_time(run, desk, act, agent.spec, acting, seconds, context)
    if begun is None:
        run.turn.begin()
    ending(result)


def _end(
    run: Run,
    desk: AttemptDesk,
    agent: Agent,
    metered: MeteredModel | None,
    key: str,
    wall: Callable[[], float],
    result: object,
    *,
    still: Configuration | None = None,
) -> None:
    """Fold what an attempt came to, if that is still waited for.

    Args:
        key: of its visit.
        still: where its machine stands, if that is known.
    """
    desk.close()
    if desk.memory is not None:
        desk.memory.end()
    check(run, result)
    now = still or desk.due
    if now is None:  # a call that used more than it had reserved has landed the run already, or a race is decided
        return
    take(run, desk, now, agent, result, wall)
    if metered is not None:
        _remember(run, desk, metered, key, is_reply=issubclass(type(result), _REPLIES))


def _remember(run: Run, desk: AttemptDesk, metered: MeteredModel, key: str, *, is_reply: bool) -> None:
    """Keep what a model wrote, if its reply was refused."""
    if desk.place is not None:
        # of a reply alone: what an attempt that raised had been told is not what is to be mended
        run.heard[key] = metered.last.text if is_reply and metered.last else ""
    elif run.heard:
        run.heard.pop(key, None)


def _begin(agent: PlainAgent, visit: Visit[Any, Any]) -> tuple[object, bool]:
    """Let a plain agent begin. Return its reply or what it raised, or something to await, and whether that is so."""
    try:
        begun = agent.begin(visit)
        return begun, not isinstance(begun, _REPLIES) and isinstance(begun, Awaitable)
    except BaseException as error:  # what it means is judged when the desk is closed
        return Raised(error), False


def _itself(begun: Awaitable[object]) -> Awaitable[object]:
    return begun


def _metered(
    run: Run, desk: AttemptDesk, now: Configuration, model: Model, retry: Retry | None, pace: Pacing | None
) -> MeteredModel:
    assert now.visit is not None  # an agent acts in it
    if run.storage is not None and not desk.own.acts_once:
        desk.memory = AttemptMemory(run.storage.paid, f"{now.key}:{now.visit.attempt}", model.name)

    def on_prompt(call: int, model: str, request: Request, response: Response | None) -> None:
        run.prompted(
            Prompted(
                *(request, response, run.now.run_id, desk.own.name, desk.path),
                visit=now.hops,
                call=call,
                model=model,
                is_redacted=run.is_redacted,
            )
        )

    spec = desk.own.spec
    return MeteredModel(
        *(model, desk, spec.call_limits),
        settings=spec.settings,
        retry=retry,
        on_prompt=on_prompt if run.on_prompt else None,
        memory=desk.memory,
        pace=pace,
    )


def visit_at(
    run: Run, desk: AttemptDesk, now: Configuration, metered: MeteredModel | None, deps: Any
) -> Visit[Any, Any]:
    """Return a visit as whoever works in it sees it."""
    own, visit, key = desk.own, now.visit, now.key
    assert visit is not None  # only a finished run has none, and nothing is due in it
    # the run's own agents alone: what crosses into a part is context
    said = (*run.heard_before, *now.messages) if run.heard_before and not desk.path else now.messages
    return Visit(
        state=own.state,
        context=watched(now.context, own.on_read),
        messages=seen_by(own.spec, own.name, said) if said else (),
        deps=deps,
        # the same for every attempt of this visit and after a crash, so that a repeated effect can be recognised
        key=key,
        attempt=visit.attempt,
        refusals=visit.refusals,
        refused=run.heard.get(key, "") if visit.refusals else "",
        seconds_left=desk.seconds_left,
        calls_left=desk.calls_left,
        exits=own.exits,
        legal=desk.legal,
        metered=metered,
        offer=desk.most_offered,
        affords=desk.affords,
        asks=visit.asks,
        is_answered=visit.is_answered,
        listener=listener_at(run, desk, now) if run.is_heard else None,
    )
