"""Random machines in machines, and a world that feeds them inputs, more often sensible than not."""

from __future__ import annotations

import random
import types
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

from support.handfed import TOOLS, Asks, part
from support.random_machines import Facts, Twins
from support.roads import least

from fsm_orch import Final, Limits, LLMAgent, Machine, State, Usage, Visit
from fsm_orch.amounts import FREE
from fsm_orch.kernel import inputs
from fsm_orch.kernel.configuration import Configuration
from fsm_orch.kernel.due import due
from fsm_orch.kernel.effects import Act, AskHuman, Effect
from fsm_orch.kernel.engine import CompiledMachine
from fsm_orch.kernel.inputs import Input
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.kernel.requests import AskHuman as HumanRequest
from fsm_orch.kernel.requests import Request, RunPart, UseTool
from fsm_orch.kernel.tree import Level, levels
from fsm_orch.limits import CallLimits
from fsm_orch.testing import Tape


def work(visit: Visit[Facts]) -> None:
    """Stand for any code."""


def tape(seed: int, length: int = 4_000) -> Tape:
    """Return a tape that is too long to run out."""
    return Tape(random.Random(seed).randbytes(length))


def nest(tape: Tape, depth: int = 3, *, is_tight: bool = False, is_priced: bool = False) -> type[Machine[Facts]]:
    """Build a machine whose visits may run machines, so many deep at most.

    Args:
        is_tight: its limit of tokens may be too small for all that it could do.
        is_priced: it may limit its cost, and so may each machine inside.
    """
    states = [_state(tape, depth, index, is_priced=is_priced) for index in range(1 + tape.below(3))]
    done, other, human = Final(), Final(sets={Facts.answer: "other"}), Final(fallback=True)
    body: dict[str, Any] = {"__doc__": "A nest.", "done": done, "other": other, "human": human}
    for index, state in enumerate(states):
        goals: list[State | Final] = [*states[index + 1 :], done]
        body[f"s{index}"] = state
        body[f"on{index}"] = state.to(goals[0], "when it fits")
        if index == 0 or tape.chance(4):
            body[f"off{index}"] = state.to(other, "when it does not")
        if tape.chance(3):
            edge = tape.pick([state.on_failure, state.on_timeout, state.on_refusal])
            body[f"lost{index}"] = edge(tape.pick(goals))
    tokens = sum(state.spec.worst_case(FREE).tokens for state in states)
    if is_tight:
        tokens = tokens * tape.pick([4, 3, 2]) // 4
    tokens = max(tokens, *map(least, states))
    limits = Limits(hops=len(states) + 1, tokens=tokens, deadline_s=tape.pick([60.0, 20.0, 200.0]))
    if is_priced and tape.chance(2):
        limits = limits.model_copy(update={"cost_usd": Decimal(1 + tokens * tape.pick([1, 2, 4, 8])) / 1_000_000})
    body["limits"] = limits
    return types.new_class("Nest", (Machine[Facts],), exec_body=lambda namespace: namespace.update(body))


def _inner(tape: Tape, depth: int, *, is_priced: bool) -> type[Machine[Facts]]:
    """Return what runs inside: of one that holds others a new one, of small ones one of a hundred.

    Nine of ten machines in a nest are small, and to check a class takes longer than to play a run of it.
    """
    return nest(tape, depth, is_priced=is_priced) if depth > 1 else _small(depth, tape.below(100), is_priced)


@cache
def _small(depth: int, number: int, is_priced: bool) -> type[Machine[Facts]]:
    return nest(tape(number), depth, is_priced=is_priced)


def _state(tape: Tape, depth: int, index: int, *, is_priced: bool) -> State:
    """Make a state; while there is depth left, most run machines."""
    caps = CallLimits(max_input_tokens=30, max_output_tokens=20)
    writes = (Facts.note,) if tape.chance(2) else ()
    if depth and not tape.chance(4):
        parts = tuple(
            part(_inner(tape, depth - 1, is_priced=is_priced), 1 + tape.below(2), name=f"p{number}")
            for number in range(1 + tape.below(3))
        )
        asks = sum(each.most for each in parts) + tape.below(3)
        options: dict[str, Any] = {"parts": parts, "asks": asks, "writes": writes, "tools": TOOLS, "attempts": 2}
        options |= {"asks_human": tape.chance(2), "must_ask": tape.chance(2), "kind": tape.pick(["parallel", "map"])}
        if tape.chance(3):
            options |= {"kind": "llm", "calls": 3, "call_limits": caps, "proposes": True}
        return State(Asks(**options), initial=index == 0, timeout_s=tape.pick([None, None, 9.0]))
    match tape.below(4):
        case 0:
            return State(work, initial=index == 0, writes=writes, attempts=2)
        case 1:
            human = Asks(kind="human", asks_human=True, asks=1, must_ask=True, proposes=True, writes=writes)
            return State(human, initial=index == 0, expires_s=tape.pick([None, 100.0]))
        case 2:
            model = LLMAgent(f"Agent {index}.", writes=writes, max_input_tokens=30, max_output_tokens=20)
            return State(model, initial=index == 0)
        case _:
            return State(Twins(calls=2, writes=writes, limits=caps), initial=index == 0)


# --- the world ----------------------------------------------------------------------------------------------------


def world(tape: Tape, compiled: CompiledMachine, now: Configuration, at: float, *, is_kind: bool = False) -> Input:
    """Return what happens next, at a time of the run.

    Args:
        is_kind: nothing fails, nobody cancels, and no input is nonsense.
    """
    effects = due(now)
    effect = effects[tape.below(min(256, len(effects)))]
    if not is_kind and tape.chance(12):
        found = levels(compiled, now, effect.path)
        return _hostile(tape, found[tape.below(len(found))], at)
    return doing(tape, compiled, now, effect, at, is_kind=is_kind)


def doing(
    tape: Tape, compiled: CompiledMachine, now: Configuration, effect: Effect, at: float, *, is_kind: bool = False
) -> Input:
    """Return what comes of something that is due."""
    level = levels(compiled, now, effect.path)[-1]
    if isinstance(effect, Act):
        return _acting(tape, level, at, is_kind=is_kind)
    return answered(effect, level.now, at, ok=is_kind or not tape.chance(4))


def answered(effect: Effect, now: Configuration, at: float, *, ok: bool = True) -> inputs.Answered:
    """Return the answer of a tool, or of a human."""
    assert not isinstance(effect, Act)
    by = "somebody" if isinstance(effect, AskHuman) else now.key_of(effect.ask)
    return inputs.Answered(ask=effect.ask, id=by, ok=ok, value=True, at=at, path=effect.path)


def _hostile(tape: Tape, level: Level, at: float) -> Input:
    """Return an input that does not fit, or ends something, at any level."""
    path = level.now.path
    match tape.below(8):
        case 0:
            return inputs.Cancelled(at=at, path=path if tape.chance(2) else ())
        case 1 | 2:
            return inputs.Failed(reason="timeout", at=at, path=path)
        case 3:
            return inputs.Failed(reason=tape.pick(["error", "denied", "outcome_unknown"]), at=at, path=path)
        case 4:
            return inputs.Overspent(source="s0", visit=0, call=1, tokens=1 + tape.below(60), at=at, path=path)
        case 5:
            return inputs.Answered(ask=tape.below(5), id=tape.pick(["somebody", "r:0:1"]), value=1, at=at, path=path)
        case 6:
            return inputs.Replied(handoff=tape.pick(["none_of_these", "nowhere", None]), at=at, path=path)
        case _:
            return inputs.Cancelled(at=at, path=(*path, 1 + tape.below(3)))


def _acting(tape: Tape, level: Level, at: float, *, is_kind: bool) -> Input:
    """Return what an agent does that is due to act: it calls, asks, or replies."""
    compiled, now, _ = level
    visit, spec = now.visit, compiled.definition.states[now.state].spec
    assert visit is not None
    if visit.open and not tape.chance(4):
        call, held = next(iter(visit.open.items()))
        tokens = tape.below(held.tokens + 1) if is_kind or not tape.chance(20) else held.tokens + 7
        usage = None if tape.chance(6) else Usage(requests=1, input_tokens=tokens)
        return inputs.CallSettled(call=call, usage=usage, at=at, path=now.path)
    if visit.calls < spec.calls and tape.chance(2):
        caps = spec.call_limits
        return inputs.CallReserved(
            call=visit.calls + 1,
            input_tokens=tape.below(caps.max_input_tokens + 1),
            output_tokens=caps.max_output_tokens,
            at=at,
            path=now.path,
        )
    asked = list(_requests(tape, level)) if spec.asks else []
    if asked and (not visit.is_answered or tape.chance(3)):
        need = 0 if is_kind or tape.chance(2) else 1 + tape.below(len(asked))
        is_race = need > 0 and not is_kind and tape.chance(2)
        return inputs.Asked(requests=tuple(asked), need=need, is_race=is_race, at=at, path=now.path)
    return _reply(tape, level, at, is_kind=is_kind)


def _requests(tape: Tape, level: Level) -> Iterator[Request]:
    """Yield what is asked for in a round: as much as is declared at most, or once in a while more."""
    compiled, now, _ = level
    visit, spec = now.visit, compiled.definition.states[now.state].spec
    assert visit is not None
    runs = [each.request.part for each in visit.asks.values() if isinstance(each.request, RunPart)]
    left = [name for name, each in compiled.parts[now.state].items() for _ in range(each.most - runs.count(name))]
    room = spec.asks - len(visit.asks)
    if spec.asks_human and room and (not left or tape.chance(3)):
        room -= 1
        yield HumanRequest(question="?")
    if spec.tools and room and tape.chance(2):
        room -= 1
        yield UseTool(name=tape.pick(spec.tools).name)
    for name in left[:room]:
        if not tape.chance(4):
            yield RunPart(part=name, context={"count": tape.below(9)})


def _reply(tape: Tape, level: Level, at: float, *, is_kind: bool) -> Input:
    compiled, now, _ = level
    own = compiled.states[now.state]
    if not is_kind and tape.chance(12):
        return inputs.Replied(refusal=Refusal("not_json", "unreadable"), at=at, path=now.path)
    # of the context alone, so that the order in which branches are worked on decides nothing
    handoff = own.exits[now.context.count % len(own.exits)].name  # type: ignore[attr-defined]
    changes = {"note": f"{now.state} {now.context.count}"} if "note" in own.spec.written_names else {}  # type: ignore[attr-defined]
    return inputs.Replied(handoff=handoff, changes=changes, at=at, path=now.path)
