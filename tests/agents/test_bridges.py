"""Agents of other frameworks in states: whatever they do, they are bounded, metered, and landed in a declared state."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.foreign import ABSENT, EACH, PACKAGES, USES, Conv, LoopAgent, agent_of, order_status, support
from support.provider import KEY, Provider
from support.provider_faults import saying
from support.shop import use, use_all
from support.shown import ROOT, blocks, execute

from fsm_orch import CallFailed, Machine, MemoryStore, Retry, Runner, RunResult, ScriptedModel
from fsm_orch.errors import StoreError
from fsm_orch.models import Request
from fsm_orch.models.openai import ResponsesModel
from fsm_orch.testing import CrashingStore, assert_replays

QUERY = "where is my order 4711?"
SOLVED = {"handoff": "solved", "answer": "It is packed."}
AGAIN = {"handoff": "again", "answer": "Which one?"}
LOOK = use("order_status", order=4711)

each = pytest.mark.parametrize("framework", EACH)
pytestmark = pytest.mark.usefixtures("uses")


@pytest.fixture
def uses() -> list[int]:
    """Return the orders that are looked up from here on."""
    USES.clear()
    return USES


def form(request: Request, line: dict[str, Any]) -> dict[str, Any]:
    """Return a decision as a request asks for it: where no tools are offered it is the whole reply."""
    return {"reply": line} if "reply" in (request.schema or {})["properties"] else line


def decides(line: dict[str, Any]) -> Any:
    """Return a line of a script that decides."""
    return lambda request: form(request, line)


def run(machine: type[Machine[Conv]], *script: Any, **options: Any) -> tuple[RunResult[Conv], ScriptedModel]:
    """Run a machine on a script; the journal of the run is folded again, and must say the same."""
    model = ScriptedModel(script)
    result = Runner(machine, model=model, **options).run_sync(Conv(query=QUERY))
    assert_replays(machine, result)
    return result, model


@pytest.mark.parametrize("framework", [*EACH[1:], *ABSENT])
def test_the_bridge_of_a_framework_is_tested_where_that_is_installed(framework: str) -> None:
    """What is skipped here is in none of the tests below."""

    assert framework in PACKAGES


@each
def test_a_bridge_runs_tools_by_the_framework_and_decides_by_the_state(framework: str, uses: list[int]) -> None:
    """What the framework's tool gave is shown to the state's model, whose decision is the reply."""
    result, model = run(support(agent_of(framework)), LOOK, decides(SOLVED))

    assert ("done", "It is packed.") == (result.state.name, result.context.answer)
    assert [4711] == uses
    assert '{"result":"order 4711 is packed"}' == model.requests[1].messages[-1].content
    assert model.requests[0].messages[0].content.startswith("Help.")
    assert QUERY == model.requests[0].messages[1].content


@each
def test_a_bridge_uses_several_tools_at_once(framework: str, uses: list[int]) -> None:
    """What came of each is shown in the next request."""
    both = use_all(("order_status", {"order": 1}), ("order_status", {"order": 2}))
    result, model = run(support(agent_of(framework)), both, decides(SOLVED))

    assert "done" == result.state.name
    assert [1, 2] == sorted(uses)
    assert 2 == sum('"result"' in said.content for said in model.requests[1].messages)


@each
def test_a_bridge_that_hands_over_to_itself_is_bounded_by_visits(framework: str) -> None:
    """Its second visit is its last, and the exit is no longer on the menu."""
    result, model = run(support(agent_of(framework)), *[decides(AGAIN)] * 20)

    assert result.landing is not None
    assert "human" == result.state.name
    assert ["triage", "human"] == [hop.target for hop in result.path]
    assert 1 + 3 == len(model.requests)


@each
def test_a_bridge_that_uses_tools_for_ever_is_bounded_by_calls(framework: str, uses: list[int]) -> None:
    """The last call of the visit offers no tools, whatever the framework has."""
    result, model = run(support(agent_of(framework)), *[LOOK] * 20)

    assert ("human", "refusal") == (result.state.name, result.landing and result.landing.reason)
    assert 3 == len(model.requests)
    assert [4711, 4711] == uses
    assert "order_status" not in json.dumps(model.requests[-1].schema)


@each
def test_a_bridge_cannot_invent_a_handoff(framework: str) -> None:
    """It is refused as often as a call is left, and no hop is made of it."""
    result, model = run(support(agent_of(framework)), *[decides({"handoff": "refunds", "answer": "x"})] * 20)

    assert ("human", "refusal") == (result.state.name, result.landing and result.landing.reason)
    assert 3 == len(model.requests)
    assert [None] == [hop.handoff for hop in result.path]


@each
def test_a_bridge_whose_tool_raises_lands(framework: str) -> None:
    """The framework gives the attempt up, and the run lands."""
    result, model = run(support(agent_of(framework)), use("broken"), *[decides(SOLVED)] * 20)

    assert ("human", "failure") == (result.state.name, result.landing and result.landing.reason)
    assert 1 == len(model.requests)


@each
def test_a_bridge_mends_a_reply_without_doing_anything_twice(framework: str, uses: list[int]) -> None:
    """What is no JSON is told to the model, and not to the framework, whose tool was used before and is not again."""
    result, model = run(support(agent_of(framework, calls=4)), LOOK, "I think so.", decides(SOLVED))

    assert "done" == result.state.name
    assert [4711] == uses
    assert ["I think so.", "Your last reply was refused"] == [
        said.content.partition(":")[0] for said in model.requests[2].messages[-2:]
    ]


@each
def test_a_bridge_mends_a_handoff_that_is_not_legal_now(framework: str, uses: list[int]) -> None:
    """One whose guard does not hold is mended too, and by the kernel's own refusal once no call is left."""
    closed = decides({"handoff": "closed", "answer": "x"})
    result, model = run(support(agent_of(framework, calls=4)), LOOK, closed, decides(SOLVED))
    landed, _ = run(support(agent_of(framework)), *[closed] * 20)

    assert "done" == result.state.name
    assert [4711] == uses
    assert "'closed' is not legal now" in model.requests[2].messages[-1].content
    assert landed.landing is not None
    assert "refusal" == landed.landing.reason


@each
def test_a_bridge_sends_nothing_that_is_too_large(framework: str) -> None:
    """The input of each request is measured before it is sent."""
    result, model = run(support(agent_of(framework, max_input_tokens=50)))

    assert ("human", "denied") == (result.state.name, result.landing and result.landing.reason)
    assert [] == model.requests


LINES: list[Any] = [
    LOOK,
    use("broken"),
    use("refunds", order=1),
    use("order_status", order="one"),
    use_all(*[("order_status", {"order": number}) for number in range(9)]),
    *("", "I think so.", "[]", '{"reply": {', json.dumps({"reply": SOLVED}) * 2),
    *(decides(SOLVED), decides(AGAIN), decides({"handoff": "closed", "answer": "x"})),
    *(decides({"handoff": "to_billing", "answer": 3}), decides({"handoff": "none_of_these", "answer": ""})),
    CallFailed("overloaded", "try again", transient=True),
    RuntimeError("an adapter that keeps to no port"),
]


@each
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(st.sampled_from(LINES), max_size=9))
def test_a_bridge_is_bounded_whatever_its_model_says(framework: str, script: list[Any]) -> None:
    """Each run ends in a declared state, within the calls of its visits, and its journal says the same."""
    result, model = run(support(agent_of(framework)), *script, retry=Retry(initial_s=0, max_s=0, jitter_s=0))

    assert result.state.name in ("done", "human")
    assert len(model.requests) <= 3 + 3 + 2


@each
def test_a_bridge_takes_none_of_the_handoffs(framework: str) -> None:
    """Who declines is not asked again."""
    result, model = run(support(agent_of(framework)), decides({"handoff": "none_of_these", "answer": ""}))

    assert "declined" == (result.landing and result.landing.reason)
    assert 1 == len(model.requests)


@each
async def test_a_bridge_is_cancelled_with_its_run(framework: str) -> None:
    """A cancellation reaches the request that the framework waits for, and the run lands."""
    begun = asyncio.Event()

    class Slow(ScriptedModel):
        async def complete(self, request: Request) -> Any:
            begun.set()
            await asyncio.sleep(3_600)

    store = MemoryStore()
    running = asyncio.create_task(
        Runner(support(agent_of(framework)), model=Slow([]), store=store).run(Conv(query=QUERY), run_id="one")
    )
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    (listed,) = await store.list()
    assert "human" == listed.head.state
    assert {asyncio.current_task()} == asyncio.all_tasks()


@each
def test_a_bridge_is_bounded_on_the_wire(framework: str) -> None:
    """A provider on a socket is sent as many requests as the visit has calls, and the last of them has no tools."""
    with Provider(saying(json.dumps(LOOK))) as provider:
        model = ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{provider.url}/v1")
        result = Runner(support(agent_of(framework)), model=model).run_sync(Conv(query=QUERY))

    assert "human" == result.state.name
    assert ["order_status" in json.dumps(each.body) for each in provider.completions] == [True, True, True]
    assert [None, None, None] == [each.rejection for each in provider.completions]


def test_a_framework_that_asks_whatever_happens_is_bounded() -> None:
    """One that takes each failure for a reason to ask again sends no more than one that gives up."""
    agent = LoopAgent(order_status, is_stubborn=True, reads=Conv.query, writes=Conv.answer)
    result, model = run(support(agent), *[LOOK] * 100)

    assert "human" == result.state.name
    assert 3 == len(model.requests)


@pytest.mark.parametrize("repeatable", [False, True])
def test_what_has_tools_acts_again_after_a_crash_only_if_its_state_is_repeatable(repeatable: bool) -> None:
    """A framework uses its tools by itself, so after a crash nobody knows what it has done."""
    spec = LoopAgent(order_status).spec, LoopAgent().spec
    machine = support(agent_of("loop"), repeatable=repeatable)

    assert ("code", "llm") == (spec[0].kind, spec[1].kind)
    assert repeatable is not machine.triage.acts_once  # type: ignore[attr-defined]


@each
def test_a_bridge_is_given_again_what_it_was_answered_before_a_crash(framework: str, uses: list[int]) -> None:
    """Wherever its process ends, a reply that a tool was used for is stored, and not asked for again."""
    machine = support(agent_of(framework, calls=4), repeatable=True)
    resumed = list[int]()
    for writes in range(1, 7):
        kept = MemoryStore()
        before, after = ScriptedModel([LOOK, decides(SOLVED)]), ScriptedModel([_goes_on] * 3)
        uses.clear()
        with suppress(StoreError):
            crashing = CrashingStore(kept, writes=writes)
            Runner(machine, model=before, store=crashing).run_sync(Conv(query=QUERY), run_id="one")
        was_used = bool(uses)
        result = asyncio.run(Runner(machine, model=after, store=kept).resume("one"))
        assert "done" == result.state.name
        assert len(before.requests) + len(after.requests) <= 2 + 1
        assert not was_used or all('"result"' in asked.messages[-1].content for asked in after.requests)
        resumed.append(len(after.requests))

    assert {0, 1, 2} == set(resumed)


def _goes_on(request: Request) -> dict[str, Any]:
    """Decide as soon as a tool has been used."""
    return form(request, SOLVED) if '"result"' in request.messages[-1].content else LOOK


@pytest.mark.skipif(bool(ABSENT), reason="not all of the frameworks that the pages show are installed")
@pytest.mark.parametrize(("page", "count"), [("bring-your-agents", 3), ("import", 1)])
def test_a_page_with_bridges_runs(page: str, count: int) -> None:
    """Its blocks run one after the other, as a reader would type them."""
    names: dict[str, object] = {"__name__": "__main__"}
    found = [block for block in blocks(ROOT / f"notebooks/how-to/{page}.md") if block.language == "py"]
    for block in found:
        execute(block, names)

    assert count == len(found)
