"""The menu of a request: drawn for each try anew, once its call is reserved, with what is legal then and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import Ticket

from fsm_orch import CallFailed, Final, Limits, LLMAgent, Machine, Response, Retry, Runner, State, Usage, Visit
from fsm_orch.agents import AgentSpec
from fsm_orch.amounts import FREE
from fsm_orch.kernel import records
from fsm_orch.kernel.legal import Offer
from fsm_orch.kernel.records import Record
from fsm_orch.limits import CallLimits
from fsm_orch.models import Request
from fsm_orch.observe import Observer
from fsm_orch.testing import TheoremChecker, virtual_time


def llm(name: str, *, calls: int, tokens: int) -> LLMAgent:
    return LLMAgent(name, calls=calls, max_input_tokens=tokens, max_output_tokens=100)


class Maze(Machine[Ticket]):
    """Agents of different prices, each with ways to others."""

    cheap = State(llm("Cheap.", calls=4, tokens=400), initial=True, max_visits=3)
    dear = State(llm("Dear.", calls=3, tokens=900), max_visits=2)
    dull = State(llm("Dull.", calls=2, tokens=500), max_visits=2)
    done, human = Final(), Final(fallback=True)
    to_dear, to_dull, over = cheap.to(dear, "dear"), cheap.to(dull, "dull"), cheap.to(done, "over")
    back, on, enough = dear.to(cheap, "back"), dear.to(dull, "on"), dear.to(done, "enough")
    only = dull.to(cheap, "the one way on")
    limits = Limits(hops=12, tokens=20_000)


class Model:
    """A model that does as it is told, and notes what each request offers beside what could be paid for then."""

    name, price = "own:model", FREE

    def __init__(self, runner_limits: Limits, does: Sequence[tuple[str, int]]) -> None:
        self.offered: list[tuple[list[str], list[str]]] = []
        self.seen: list[Record] = []
        self._limits = runner_limits
        self._does = iter(does)

    async def count(self, request: Request) -> int:
        # the fewer handoffs a request names, the less it may reserve: less than the cap, in any case
        return len(request.messages[0].content)

    async def complete(self, request: Request) -> Response:
        menu = [] if request.schema is None else request.schema["properties"]["handoff"]["enum"]
        payable = self._payable()
        if "none_of_these" in menu:
            assert len(menu) <= len(Maze.definition.states[self.seen[-1].stamp.state].exits)  # another exit is closed
        self.offered.append(([name for name in menu if name != "none_of_these"] or payable, payable))
        way, number = next(self._does, ("choose", 0))
        usage = [None, Usage(requests=1, input_tokens=0, output_tokens=0), Usage(requests=1, input_tokens=90)][
            number % 3
        ]
        if way == "lost":
            raise CallFailed("lost", transient=True, unsent=number % 2 == 0)
        chosen = menu[number % len(menu)] if menu else None
        return Response(text="prose" if way == "babble" else f'{{"handoff": "{chosen}"}}', usage=usage)

    def _payable(self) -> list[str]:
        """Return what may be offered, by the last record alone: nothing of the kernel's own is asked."""
        stamp = self.seen[-1].stamp
        visits = {r.stamp.state: r.visits for r in self.seen if isinstance(r, records.VisitStarted)}

        def is_payable(target: State | Final) -> bool:
            if isinstance(target, Final):
                return True
            caps = target.spec.call_limits
            held = stamp.settled + stamp.reserved + caps.max_input_tokens + caps.max_output_tokens
            has_visit = visits.get(target.name, 0) < (target.max_visits or 99)
            return has_visit and stamp.hops + 2 <= self._limits.hops and held <= self._limits.tokens

        exits = Maze.definition.states[stamp.state].exits
        return [handoff.name for handoff in exits if is_payable(handoff.target)]


@given(
    st.integers(500, 4_000),
    st.integers(2, 9),
    st.lists(st.tuples(st.sampled_from(["lost", "babble", "choose"]), st.integers(0, 8)), max_size=14),
)
def test_each_request_offers_what_can_be_paid_for_then(tokens: int, hops: int, does: list[tuple[str, int]]) -> None:
    """At first, after a repair and after a retry: the menu is what is legal beside all that is charged and reserved."""
    limits = Limits(tokens=tokens, hops=hops)
    model = Model(limits, does)
    watch: Observer = model.seen.append
    runner = Runner(Maze, model=model, limits=limits, observers=[watch], retry=Retry(initial_s=0.01, jitter_s=0))

    with virtual_time() as loop:
        result = loop.run(runner.run(Ticket(query="x")))

    assert model.offered
    for offered, payable in model.offered:
        assert payable == offered
        assert payable != []  # with nothing to offer, nothing is asked
    TheoremChecker(runner.compiled).follow_all(result.journal)


class Asks:
    """An agent of the user's own that draws its requests itself."""

    spec = AgentSpec(kind="llm", name="Asks", calls=2, call_limits=CallLimits(max_output_tokens=9), canonical={})

    def __init__(self) -> None:
        self.drawn: list[tuple[str, ...]] = []
        self.raises: Exception | None = None

    async def act(self, visit: Visit[Any, Any]) -> Any:
        def draw(offer: Offer) -> Any:
            self.drawn.append(tuple(handoff.name for handoff in offer.handoffs))
            if self.raises is not None and len(self.drawn) > 2:
                raise self.raises
            return (), None

        await visit.model.ask_drawn(draw)


class Desk(Machine[Ticket]):
    """An agent with two ways on, one of them dear."""

    ask = State(Asks(), initial=True)
    dear = State(llm("Dear.", calls=1, tokens=1_000))
    done, human = Final(), Final(fallback=True)
    on, over, end = ask.to(dear), ask.to(done), dear.to(done, "always")
    limits = Limits(tokens=6_000)


class Lossy(Model):
    """A model that loses every request, which may be billed."""

    async def count(self, request: Request) -> int:
        return 1_000

    async def complete(self, request: Request) -> Response:
        raise CallFailed("lost", transient=True)


@pytest.mark.looptime
async def test_a_request_is_drawn_anew_only_if_its_menu_has_changed() -> None:
    """Drawn for the longest that it may be, a request is drawn again for what it offers once its call is reserved."""
    agent = Asks()
    limits = Limits(tokens=3_110)  # two calls of 1,009 tokens and one of 1,100 do not fit

    await Runner(Desk, model=Lossy(limits, ()), agents={Desk.ask: agent}, limits=limits).run(Ticket(query="x"))

    assert [("on", "over"), ("on", "over"), ("over",)] == agent.drawn


@pytest.mark.looptime
async def test_a_call_whose_request_cannot_be_drawn_costs_nothing() -> None:
    """What the drawing raises reaches the agent, nothing is sent, and the reservation is given back."""
    agent = Asks()
    agent.raises = ValueError("nothing to say")
    limits = Limits(tokens=3_110)
    result = await Runner(Desk, model=Lossy(limits, ()), agents={Desk.ask: agent}, limits=limits).run(Ticket(query="x"))

    assert result.error is agent.raises
    assert [1_009] == [record.tokens for record in result.records if isinstance(record, records.CallSettled)]
    assert [2] == [record.call for record in result.records if isinstance(record, records.CallReleased)]
