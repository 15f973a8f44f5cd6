"""Play a path of a machine, turn by turn: the machine is real, and its agents say and spend what a script tells them.

A path is a list of turns, one for each visit. Time passes only as the turns say, so even a timeout is tested at once.
Where an agent must ask before it decides, the least is asked that will do, and answered: a human says yes, a machine
inside fails without having done anything, a map has no items, and of a tool no use is approved. What came of it is the
turn's to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..agents.base import Changes, Reply, Round, Visit
from ..agents.crossing import given_from, request
from ..amounts import FREE, Price, Usage
from ..define.agent_spec import AgentSpec
from ..define.context import Context
from ..define.machine import C, Machine, definition_of
from ..define.parts import Part
from ..define.states import Handoff, State
from ..define.used import tool_name
from ..define.worst import machines_in
from ..errors import CallDenied, VisitError
from ..kernel.reasons import Refusal
from ..kernel.requests import AskHuman, RunPart, UseTool
from ..limits import CallLimits, Limits
from ..models.base import Request, Response
from ..proof.explore.reality import simple_fields
from ..run.first import RunOptions
from ..run.result import RunResult
from ..run.runner import Runner
from ..settings import ModelSettings
from ..store.memory import MemoryStore

Failing = Literal["error", "timeout", "denied", "refusal"]
_MOMENT_S = 1e-6
"""How long after its time a late visit ends."""


@dataclass(frozen=True)
class Turn:
    """What an agent does in one visit.

    Raises ValueError: if `fails` is unknown.
    """

    state: State
    """Where the run must stand for this turn to be played."""
    handoff: Handoff | None = None
    """What it proposes, legal or not; None leaves it to the guards, in declaration order."""
    changes: Changes = field(default_factory=dict[Any, Any])
    """What it writes, by field (`{Ticket.answer: "..."}`): every field that the state's agent declares."""
    tokens: Sequence[int | None] = ()
    """What each of its calls uses; None: the provider reports nothing, so that the whole reservation is charged. Every
    call reserves as much as its agent's caps allow."""
    uses: Sequence[object] = ()
    """The tools that it uses first, one after the other; a human approves those that must be."""
    declines: Sequence[object] = ()
    """The tools that it asks for after these, and may not use: a human says no."""
    fails: Failing | None = None
    """What it does instead of replying: raise, take too long, be denied a call, or reply what is refused for good."""
    seconds: float = 0.0
    """How long it takes."""

    def __post_init__(self) -> None:
        ways = get_args(Failing)
        if self.fails is not None and self.fails not in ways:
            *others, last = map(repr, ways)
            raise ValueError(
                f"a turn fails by {', '.join(others)} or {last}, not {self.fails!r}: without fails= it replies"
            )


def play(
    machine: type[Machine[C, Any]],
    context: C,
    turns: Iterable[Turn],
    *,
    start: State | None = None,
    limits: Limits | None = None,
    price: Price = FREE,
) -> RunResult[C]:
    """Run a machine with agents that follow a script.

    An impossible path is not forced: the kernel refuses what is not legal, and the result shows where the run went
    instead. A visit fails if no turn is left, or if the next turn is another state's. Turns that are left at the end of
    the run are ignored: once a machine is fixed, the run of its counterexample ends early, and must pass. To be sure
    that a path was taken, assert `result.path`.

    Args:
        machine: the machine.
        context: what the run starts on.
        turns: one for each visit, in order.
        start: where the run starts; None: in the initial state.
        limits: instead of the machine's.
        price: what tokens cost, in every state.

    Raises StartError: if no run could start.
    Raises RuntimeError: if an event loop is running already.
    """
    definition = definition_of(machine, "play")
    script = _Script(turns, price)
    runner: Runner[C, Any] = Runner(
        machine,
        model=script,
        limits=limits,
        agents={
            **{state: _Scripted(script, state.spec) for state in definition.states.values()},
            **{state: _fail for _, inner in machines_in(definition) for state in inner.states.values()},
        },
        store=MemoryStore(),
        retry=None,
        clock=script.clock,
        new_id=lambda: "played",
    )
    deps = None if definition.deps is None else object()
    where: RunOptions = {} if start is None else {"start": start}
    result = runner.run_sync(context, deps=deps, **where)
    while result.waiting:
        answer = script.is_approving if result.waiting[0].tool else True
        result = asyncio.run(runner.resume(result.run_id, answer, question=result.waiting[0], deps=deps))
    return result


def _fail(visit: Visit[Context, Any]) -> Reply:
    raise VisitError(f"what runs inside a played path does nothing, and {visit.state.name!r} has failed")


def _least_round(visit: Visit[Context, Any]) -> Round:
    """Return the least that an agent may ask for which must ask."""
    spec = visit.state.spec
    if spec.kind == "map":
        return Round(())
    if spec.asks_human:
        return Round((AskHuman(question=f"played: {visit.state.name}"),))
    if spec.tools:
        return Round((UseTool(name=min(spec.tools, key=lambda tool: tool.approval).name),))
    return Round((_run(visit, min(spec.parts, key=lambda part: part.share.tokens)),))


def _run(visit: Visit[Context, Any], part: Part) -> RunPart:
    known = request(part, given_from(visit, part.given.values())).context
    return RunPart(part=part.name, context={**simple_fields(part.definition.context), **known})


def _tools(turn: Turn) -> list[tuple[str, bool]]:
    return [(tool_name(tool), True) for tool in turn.uses] + [(tool_name(tool), False) for tool in turn.declines]


@dataclass(frozen=True)
class _Scripted:
    """The agent of one state."""

    script: _Script
    spec: AgentSpec

    async def act(self, visit: Visit[Context, Any]) -> Reply | Round:
        return await self.script.act(visit)

    async def use(self, visit: Visit[Context, Any], used: UseTool, key: str) -> None:
        """Use a tool, which does nothing."""


class _Script:
    """The agent of every state, their model and their clock in one, since all follow the same turns."""

    name = "played:script"

    def __init__(self, turns: Iterable[Turn], price: Price) -> None:
        self.price = price
        self._turns = iter(turns)
        self._now_s = 0.0
        self._visit = ""
        self._turn: Turn | None = None
        self._spends: list[int | None] = []
        self._asks: list[tuple[str, bool]] = []
        """The tools that are still to be asked for, and whether a human approves them."""
        self.is_approving = False
        self._caps = CallLimits()

    def clock(self) -> float:
        return self._now_s

    async def act(self, visit: Visit[Context, Any]) -> Reply | Round:
        if visit.key != self._visit:
            self._visit, self._turn = visit.key, next(self._turns, None)
            self._spends = list(self._turn.tokens) if self._turn else []
            self._asks = [] if self._turn is None else _tools(self._turn)
            self._caps = visit.state.spec.call_limits
        turn = self._turn
        if turn is None or turn.state is not visit.state:
            expected = f"the turn is that of {turn.state.name!r}" if turn else "no turn is left"
            raise VisitError(f"the run is at {visit.state.name!r}, and {expected}")
        while self._spends:
            await visit.model.ask(())
        if self._asks:
            tool, self.is_approving = self._asks.pop(0)
            return Round((UseTool(name=tool),))
        self.is_approving = False
        if turn.fails is None and visit.state.spec.must_ask and not visit.is_answered:
            return _least_round(visit)
        self._now_s += turn.seconds
        if turn.fails is None:
            return Reply(handoff=turn.handoff, changes=turn.changes)
        return self._fail(turn.fails, visit)

    def _fail(self, how: Failing, visit: Visit[Context, Any]) -> Reply:
        match how:
            case "error":
                raise VisitError("the turn says that it fails")
            case "denied":
                raise CallDenied("the turn says that it is denied")
            case "timeout":
                self._now_s += visit.seconds_left() + _MOMENT_S
                return Reply()
            case "refusal":
                return Reply(refusal=Refusal("model_refusal", "the turn says that it is refused"))

    def objection(self, settings: ModelSettings) -> str | None:  # noqa: ARG002
        """Return None: it spends what its turns say, whatever is set."""
        return None

    async def count(self, request: Request) -> int:  # noqa: ARG002
        return self._caps.max_input_tokens

    async def complete(self, request: Request) -> Response:  # noqa: ARG002
        used = self._spends.pop(0)
        if used is None:
            return Response(text="", usage=None)
        read = min(used, self._caps.max_input_tokens)
        return Response(text="", usage=Usage(requests=1, input_tokens=read, output_tokens=used - read))
