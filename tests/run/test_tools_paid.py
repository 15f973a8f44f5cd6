"""Machines as tools on a tight ledger: one whose share cannot be paid is not offered, and one that is offered can."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.shop import Text, Ticket, order_status, use, use_all

from fsm_orch import (
    CallFailed,
    Final,
    Limits,
    LLMAgent,
    Machine,
    Response,
    Retry,
    Runner,
    RunResult,
    State,
    Usage,
)
from fsm_orch.amounts import Price
from fsm_orch.kernel.records import Asked, AttemptFailed, Refused
from fsm_orch.models import Request
from fsm_orch.testing import TheoremChecker, virtual_time

INPUT = 1_900
"""What each request of the model here may take, and takes, of input."""


def llm(*tools: Any, calls: int = 3, **options: Any) -> LLMAgent:
    told = {"max_input_tokens": INPUT, "max_output_tokens": 100} | options
    return LLMAgent("Help.", reads=Ticket.query, writes=Ticket.answer, tools=tools, calls=calls, **told)


def resizer(told: str, *, calls: int) -> LLMAgent:
    """Return the agent of a machine that is a tool here."""
    return LLMAgent(
        told, reads=Text.text, writes=Text.short, calls=calls, max_input_tokens=INPUT, max_output_tokens=100
    )


class Small(Machine[Text]):
    """Make a text small."""

    work = State(resizer("Small.", calls=1), initial=True)
    done, failed = Final(), Final(fallback=True)
    flow = work >> done


class Large(Machine[Text]):
    """Make a text large."""

    work = State(resizer("Large.", calls=2), initial=True)
    done, failed = Final(), Final(fallback=True)
    flow = work >> done


class Wide(Machine[Text]):
    """Make a text wide."""

    work = State(resizer("Wide.", calls=2), initial=True)
    done, failed = Final(), Final(fallback=True)
    flow = work >> done


GRANT, SMALL, LARGE = 2_000, 2_000, 4_000
"""A call of whoever asks here, and the shares of the two machines."""


def desk(*tools: Any, two_exits: bool = True, tokens: int = 60_000, **options: Any) -> type[Machine[Ticket]]:
    """Make a machine of one model with tools."""

    class Desk(Machine[Ticket]):
        """Help."""

        work = State(llm(*tools, **options), initial=True)
        done, human = Final(), Final(fallback=True)
        solved = work.to(done, "it is solved")
        if two_exits:
            other = work.to(human, "anything else")
        limits = Limits(tokens=tokens)

    return Desk


class Counted:
    """A model that follows a script; each of its requests may take the same, and takes what it is told.

    Args:
        used: what each takes of input; None: all that it may.
    """

    name, price = "own:counted", Price("1", "1")

    def __init__(self, script: Iterable[Any], *, used: int | None = None) -> None:
        self.requests: list[Request] = []
        self._lines, self._used = iter(script), used

    async def count(self, request: Request) -> int:
        return INPUT

    async def complete(self, request: Request) -> Response:
        self.requests.append(request)
        line = next(self._lines)
        if isinstance(line, Exception):
            raise line
        line = line(request) if callable(line) else line
        used = INPUT if self._used is None else self._used
        usage = Usage(requests=1, input_tokens=used, output_tokens=100 if self._used is None else 0)
        return Response(text=json.dumps(line), usage=usage)


def run(
    machine: type[Machine[Ticket]], *script: Any, tokens: int, used: int | None = None, cost_usd: str | None = None
) -> tuple[RunResult[Ticket], Counted]:
    """Run a machine within so many tokens; each step of the run keeps the theorems."""
    model = Counted(script, used=used)
    limits = Limits(tokens=tokens, cost_usd=cost_usd)
    runner = Runner(machine, model=model, limits=limits, retry=Retry(initial_s=0.01, jitter_s=0))
    with virtual_time() as loop:
        result = loop.run(runner.run(Ticket(query="help")))
    TheoremChecker(runner.compiled).follow_all(result.journal)
    return result, model


def offers(request: Request) -> set[str]:
    """Return what a request offers."""
    text = json.dumps(request.schema)
    known = ("Small", "Large", "Wide", "order_status", "use", "use_all", "none_of_these", "reply")
    return {name for name in known if json.dumps(name) in text}


def landed(result: RunResult[Ticket]) -> str | None:
    return None if result.landing is None else result.landing.reason


SHORT = {"short": "s"}
SOLVED = {"handoff": "solved", "answer": "yes"}
DONE = {"reply": SOLVED}


def test_a_machine_that_can_be_paid_to_the_token_is_offered_and_runs() -> None:
    """Beside all that this request may take, its share is left, exactly; what it leaves comes back for the next one."""
    result, model = run(desk(Small), use("Small", text="x"), SHORT, SOLVED, tokens=GRANT + SMALL, used=10)

    assert offers(model.requests[0]) == {"Small", "use", "use_all", "reply"}
    assert (result.state.name, landed(result)) == ("done", None)


def test_a_machine_that_lacks_one_token_is_not_offered() -> None:
    """The form is then that of an agent without tools, and it may take none of the handoffs: something is used up."""
    result, model = run(desk(Small), SOLVED, tokens=GRANT + SMALL - 1)

    assert offers(model.requests[0]) == {"none_of_these"}
    assert "tool" not in model.requests[0].messages[0].content
    assert (result.state.name, landed(result)) == ("done", None)


def test_money_counts_as_tokens_do() -> None:
    """A share of 2,000 tokens at a micro-dollar each is not offered if one micro-dollar is missing."""
    _, enough = run(desk(Small), DONE, tokens=9_000, cost_usd="0.004000")
    _, short = run(desk(Small), SOLVED, tokens=9_000, cost_usd="0.003999")

    assert "Small" in offers(enough.requests[0])
    assert "Small" not in offers(short.requests[0])


def test_a_function_stays_offered() -> None:
    """It costs nothing; of two machines only the one that cannot be paid is gone, and no handoff is closed."""
    _, both = run(desk(Small, Large, order_status), DONE, tokens=GRANT + LARGE)
    _, one = run(desk(Small, Large, order_status), DONE, tokens=GRANT + LARGE - 1)
    _, none = run(desk(Small, Large, order_status), DONE, tokens=GRANT + SMALL - 1)

    assert offers(both.requests[0]) == {"Small", "Large", "order_status", "use", "use_all", "reply"}
    assert offers(one.requests[0]) == {"Small", "order_status", "use", "use_all", "reply"}
    assert offers(none.requests[0]) == {"order_status", "use", "use_all", "reply"}


def test_what_was_spent_in_the_visit_counts() -> None:
    """A machine that could be paid at first cannot be any more once another has taken its share."""
    script = use("Large", text="x"), SHORT, {"reply": SOLVED}
    _, model = run(desk(Small, Large, order_status), *script, tokens=3 * GRANT + SMALL - 1)

    assert [offers(request) >= {"Small"} for request in model.requests] == [True, False, False]


def test_a_request_that_is_tried_again_offers_what_can_be_paid_then() -> None:
    """The try that was lost may be billed: so what it had reserved is gone."""
    lost = CallFailed("lost", transient=True)
    _, model = run(desk(Small, order_status), lost, DONE, tokens=2 * GRANT + SMALL - 1)

    assert ["Small" in offers(request) for request in model.requests] == [True, False]


def test_a_request_for_nothing_but_what_cannot_be_paid_is_not_made() -> None:
    """It is too early to decide, and no tool is left: the visit has failed for want of money, and cost nothing."""
    result, model = run(desk(Small, tool_first=True), tokens=GRANT + SMALL - 1)

    assert [] == model.requests
    assert ["Small cannot be paid, and it must use a tool"] == [
        record.detail for record in result.records if isinstance(record, Refused)
    ]
    assert (landed(result), result.charged_tokens) == ("budget", 0)


BOTH = use_all(("Large", {"text": "x"}), ("Wide", {"text": "y"}))


def test_machines_that_cannot_be_paid_for_together_are_refused() -> None:
    """Each of the two can be, so both are offered; the model reads why neither was begun, and uses one."""
    script = BOTH, use("Wide", text="y"), SHORT, SOLVED
    result, model = run(desk(Large, Wide, calls=4), *script, tokens=GRANT + 2 * LARGE - 1)

    assert offers(model.requests[0]) >= {"Large", "Wide", "use_all"}
    assert model.requests[1].messages[-1].content == (
        "Your last reply was refused: Large and Wide cannot be paid for together: use fewer of them at once."
    )
    assert [len(record.asks) for record in result.records if isinstance(record, Asked)] == [1]
    assert (result.state.name, landed(result)) == ("done", None)


def test_machines_that_can_be_paid_for_together_run_together() -> None:
    """To the token."""
    result, _ = run(desk(Large, Wide, calls=4), BOTH, SHORT, SHORT, SOLVED, tokens=GRANT + 2 * LARGE)

    assert [len(record.asks) for record in result.records if isinstance(record, Asked)] == [2]
    assert (result.state.name, landed(result)) == ("done", None)


def test_who_insists_on_both_fails_as_a_refusal() -> None:
    """The visit ends as after any other reply that was refused for good."""
    result, _ = run(desk(Large, Wide, calls=2), BOTH, {"reply": 5}, tokens=GRANT + 2 * LARGE - 1)

    assert next(record.reason for record in result.records if isinstance(record, Refused)) == "undeclared_ask"
    assert landed(result) == "refusal"


class Outer(Machine[Ticket]):
    """A manager over a manager, whose share leaves no room for the machine of the other."""

    work = State(llm(desk(Small, tokens=GRANT + SMALL - 1)), initial=True)
    done, human = Final(), Final(fallback=True)
    solved, other = work.to(done, "it is solved"), work.to(human, "anything else")
    limits = Limits(tokens=60_000)


def test_a_machine_inside_a_machine_is_paid_from_the_share_of_that() -> None:
    """However much the run has: at each level it is the ledger of that level that counts."""
    script = use("Desk", query="q", numbers=[]), SOLVED, SOLVED
    result, model = run(Outer, *script, tokens=60_000)

    assert offers(model.requests[1]) == {"none_of_these"}
    assert (result.state.name, landed(result)) == ("done", None)


class Picks:
    """A model that uses what it is offered, as chance has it; its requests may take as many tokens as characters."""

    name, price = "own:picks", Price("1", "1")

    def __init__(self, seed: int) -> None:
        self.asked: list[int] = []
        self._random, self._bound = Random(seed), 0

    async def count(self, request: Request) -> int:
        self._bound = _chars(request)
        return self._bound

    async def complete(self, request: Request) -> Response:
        assert _chars(request) <= self._bound
        if self._random.random() < 0.2:
            raise CallFailed("lost", transient=True, unsent=self._random.random() < 0.5)
        usage = Usage(requests=1, input_tokens=self._random.randint(0, _chars(request)))
        return Response(text=json.dumps(self._reply(offers(request))), usage=usage)

    def _reply(self, offered: set[str]) -> Any:
        usable = sorted(offered & {"Small", "Large", "order_status"})
        if "use" not in offered:
            return SHORT if self._random.random() < 0.5 else SOLVED
        uses = [
            (name, {"order": 1} if name == "order_status" else {"text": "x"})
            for name in self._random.choices(usable, k=self._random.randint(1, 2 if "use_all" in offered else 1))
        ]
        if len(uses) > 1:
            return use_all(*uses)
        self.asked.append(1)
        return use(uses[0][0], **uses[0][1])


def _chars(request: Request) -> int:
    return len(json.dumps(request.schema)) + sum(len(said.content) for said in request.messages)


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([Small, Large, order_status]), min_size=1, unique=True),
    st.booleans(),
    st.booleans(),
    st.integers(2, 5),
    st.integers(5_000, 40_000),
    st.none() | st.integers(5_000, 40_000),
    st.integers(0, 10**6),
)
def test_a_machine_that_is_offered_can_be_paid(
    tools: list[Any], two_exits: bool, tool_first: bool, calls: int, tokens: int, micros: int | None, seed: int
) -> None:
    """A use is begun, several are begun or refused, and none is denied; no request outgrows what was counted."""
    # the caps are those of a character a token, so no request is too long
    wide = {"max_input_tokens": 4_000}
    machine = desk(*tools, two_exits=two_exits, tool_first=tool_first, calls=calls, asks=3, **wide)
    model = Picks(seed)
    limits = Limits(tokens=tokens, cost_usd=None if micros is None else str(Decimal(micros) / 10**6))
    runner = Runner(machine, model=model, limits=limits, retry=Retry(initial_s=0.01, jitter_s=0))
    with virtual_time() as loop:
        result = loop.run(runner.run(Ticket(query="help")))
    TheoremChecker(runner.compiled).follow_all(result.journal)

    denied = [record.detail for record in result.records if isinstance(record, AttemptFailed)]
    assert not [detail for detail in denied if "what it asks for" in detail]
    begun = [len(record.asks) for record in result.records if isinstance(record, Asked)]
    assert begun.count(1) == len(model.asked)
