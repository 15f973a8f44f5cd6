"""A machine as an agent of AG-UI, over a socket: a client holds each event to the protocol's own types and order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from ag_ui.core import ResumeEntry, RunAgentInput, UserMessage
from fastapi import HTTPException, Request
from support.agui_client import EVENT, Client
from support.asking import DONE, Both, Claim, Pair, Refunds, clerk
from support.chatting import ROUTED, Talk, Talks, said
from support.patience import PATIENCE_S
from support.serving import HELD, Query, app_of, client_of, desk, listening
from support.speaking import Speaking

from fsm_orch import CallFailed, MemoryStore, Runner
from fsm_orch.kernel.inputs import Answered
from fsm_orch.service import Caller


@pytest.fixture(autouse=True)
def nothing_held() -> None:
    """Begin with nothing done, and nothing held."""
    HELD.clear()
    DONE.clear()


FIELDS: dict[Any, dict[str, Any]] = {
    Query: {"text": Query.text, "answer": Query.answer},
    Talk: {"text": Talk.text, "answer": Talk.answer},
    Claim: {"text": Claim.query, "answer": Claim.receipt},
    Pair: {"text": Pair.query, "answer": Pair.one},
}


@asynccontextmanager
async def served(runner: Runner[Any, Any], **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Serve a runner; yield a client."""
    app = app_of(runner, **{**FIELDS[runner.definition.context], **options})
    async with listening(app) as url, client_of(url) as client:
        yield client


def asked(text: str = "hi", *, run_id: str = "r1", thread_id: str = "t", **more: Any) -> dict[str, Any]:
    """Return what a user interface sends, made by the protocol's own type."""
    given = {"messages": [UserMessage(id="u", content=text)], **more}
    return RunAgentInput(thread_id=thread_id, run_id=run_id, **given).model_dump(mode="json", by_alias=True)


async def shown(client: httpx2.AsyncClient, body: dict[str, Any], **options: Any) -> Client:
    """Run the agent; give what its user sees."""
    seen = Client()
    async with client.stream("POST", "/agui", json=body, **options) as response:
        if response.status_code != 200:
            await response.aread()
        kind = response.headers["content-type"]
        assert (200, "text/event-stream; charset=utf-8") == (response.status_code, kind), response.text
        async for line in response.aiter_lines():
            if line and not line.startswith(":"):
                seen.take(EVENT.validate_json(line.removeprefix("data: ")))
    assert seen.end is not None
    return seen


async def refused(client: httpx2.AsyncClient, body: dict[str, Any], **options: Any) -> tuple[int, str]:
    """Run the agent; give the status and the code of the problem that it has with that."""
    response = await client.post("/agui", json=body, **options)
    return response.status_code, response.json()["code"]


def talks(*lines: Any, **options: Any) -> Runner[Talk, None]:
    return Runner(Talks, model=Speaking([ROUTED, *lines], **options), store=MemoryStore())


def refunds() -> Runner[Claim, None]:
    return Runner(Refunds, store=MemoryStore())


YES, NO = {"handoff": "yes", "note": "fine"}, {"handoff": "no", "note": "never"}


def resume(seen: Client, *payloads: Any, run_id: str = "r2", status: Any = "resolved", **more: Any) -> dict[str, Any]:
    """Return what a user interface sends to go on with a run that waits."""
    assert seen.end is not None
    entries = [
        ResumeEntry(interrupt_id=interrupt.id, status=status, payload=payload)
        for interrupt, payload in zip(seen.end.outcome.interrupts, payloads, strict=True)
    ]
    return asked(run_id=run_id, resume=entries, **more)


async def test_a_run() -> None:
    """Its states are steps, its handoffs activities, and its answer comes in the pieces in which it is written."""
    runner = talks(said("We open at nine."))
    async with served(runner) as client:
        seen = await shown(client, asked())

    assert ["triage", "reply"] == seen.steps
    assert "We open at nine." == seen.text
    assert len("We open at nine.") == seen.kinds.count("TEXT_MESSAGE_CONTENT")
    assert ["go", "finish"] == [activity["handoff"] for activity in seen.activities.values()]
    assert {"answer": "We open at nine."} == seen.state
    end: Any = seen.end
    assert ("t", "r1", "success", "done") == (end.thread_id, end.run_id, end.outcome.type, end.result["state"])
    assert (await runner.result(end.result["run_id"])).usage.total_tokens == end.usage[0].total_tokens


async def test_a_run_whose_text_is_taken_back() -> None:
    """The user sees the better one alone."""
    lost = {2: CallFailed("disconnected", unsent=False, transient=True)}
    async with served(talks(said("We open"), said("It is open"), fails=lost)) as client:
        seen = await shown(client, asked())

    assert ("It is open", 1) == (seen.text, seen.taken_back)


async def test_a_run_that_is_landed() -> None:
    """It is a success with the default answer, and the activity says why."""
    async with served(Runner(Talks, model=Speaking(["no JSON"] * 4), store=MemoryStore())) as client:
        seen = await shown(client, asked())

    end: Any = seen.end
    assert ("success", "human", "refusal") == (end.outcome.type, end.result["state"], end.result["landing"])
    assert "Somebody will get back to you." == seen.text
    assert ["refusal"] == [activity["landing"] for activity in seen.activities.values()]


async def test_what_is_seen_of_the_context() -> None:
    """What the application shows."""
    runner = desk()
    async with served(runner, shown=lambda context: {"asked": context.text, "tone": context.tone}) as client:
        seen = await shown(client, asked(state={"tone": "short", "by": "me", "more": 1}))

    assert {"asked": "hi", "tone": "short"} == seen.state
    assert "hi, short" == seen.text


async def test_a_state_that_is_no_object() -> None:
    """Is nothing to us."""
    async with served(desk()) as client:
        assert "hi, kind" == (await shown(client, asked(state=[1]))).text


async def test_the_conversation_is_a_thread() -> None:
    """The next run goes on with what the last one has left, whatever its client says was said."""
    runner = desk()
    async with served(runner) as client:
        await shown(client, asked("one", state={"tone": "short"}))
        claimed = [UserMessage(id=text, content=text) for text in ("x", "two")]
        seen = await shown(client, asked(run_id="r2", messages=claimed))
        result = await runner.result(seen.end.result["run_id"])
        other = await shown(client, asked("three", run_id="r3", thread_id="u"))

    assert "two, short" == seen.text
    heard = " ".join(message.content for message in result.messages)
    assert '"text":"one"' in heard
    assert '"x"' not in heard
    assert "three, kind" == other.text


async def test_the_same_run_again() -> None:
    """A run of the same id is the same run, and is told again; another request under it is refused."""
    runner = desk()
    async with served(runner) as client:
        first, again = [await shown(client, asked()) for _ in range(2)]
        other = await refused(client, asked("other"))

    assert runner.store is not None
    assert first == again
    assert 1 == len(await runner.store.list())
    assert (422, "key_reused") == other


async def test_a_question_is_an_interrupt_and_its_answer_a_new_run() -> None:
    """Which tells the rest of ours, from where it stood."""
    runner = refunds()
    async with served(runner) as client:
        waits = await shown(client, asked())
        seen = await shown(client, resume(waits, YES))

    first, end = waits.end, seen.end
    assert (["approve"], "interrupt") == (waits.steps, first.outcome.type)
    assert (["approve", "refund"], "success", "r2") == (seen.steps, end.outcome.type, end.run_id)
    assert ["yes", "done"] == [activity["handoff"] for activity in seen.activities.values()]
    assert first.result["run_id"] == end.result["run_id"]
    assert DONE == [seen.text]


async def test_the_same_answer_again() -> None:
    """Is the same answer: nothing happens twice, and the end is told again; another answer comes too late."""
    async with served(refunds()) as client:
        waits = await shown(client, asked())
        first = await shown(client, resume(waits, YES))
        again = await shown(client, resume(waits, YES, run_id="r3"))
        late = await refused(client, resume(waits, NO, run_id="r4"))

    assert 1 == len(DONE)
    assert first.text == again.text
    assert (409, "answer_late") == late


async def test_an_answer_that_does_not_fit() -> None:
    """Is refused by the form, and another one is taken."""
    async with served(refunds()) as client:
        waits = await shown(client, asked())
        unfit = await refused(client, resume(waits, {"handoff": "perhaps"}))
        seen = await shown(client, resume(waits, NO, run_id="r3"))

    assert (422, "answer_unfit") == unfit
    assert "declined" == seen.end.result["state"]


async def test_a_question_that_is_given_up() -> None:
    """Has the run landed, which is a cancelled one there; given up again, it is told again."""
    async with served(refunds()) as client:
        waits = await shown(client, asked())
        ends: list[Any] = [
            (await shown(client, resume(waits, None, status="cancelled", run_id=run_id))).end for run_id in ("r2", "r3")
        ]

    assert ["cancelled", "cancelled"] == [end.outcome.type for end in ends]
    assert ["cancelled", "cancelled"] == [end.result["landing"] for end in ends]
    assert [] == DONE


async def test_giving_up_what_is_not_asked() -> None:
    """Is refused, and touches no run, be the question another run's or another one of the same run."""
    runner = refunds()
    async with served(runner) as client:
        old = await shown(client, asked())
        await shown(client, resume(old, NO, run_id="r2"))
        waits = await shown(client, asked(run_id="r3"))
        stale = await refused(client, resume(old, None, status="cancelled", run_id="r4"))
        body = resume(waits, None, status="cancelled", run_id="r5")
        body["resume"][0]["interruptId"] += "7"
        other = await refused(client, body)
        end: Any = waits.end
        still = await runner.result(end.result["run_id"])
        await shown(client, resume(waits, NO, run_id="r6"))
        at_the_end = await refused(client, resume(old, None, status="cancelled", run_id="r7"))

    assert {(409, "answer_late")} == {stale, other, at_the_end}
    assert "waiting" == still.status


async def test_a_new_run_while_a_question_is_open() -> None:
    """Is refused until it is answered or given up."""
    async with served(refunds()) as client:
        waits = await shown(client, asked())
        busy = await refused(client, asked("next", run_id="r2"))
        await shown(client, resume(waits, NO, run_id="r3"))
        seen = await shown(client, asked("next", run_id="r4"))

    assert (409, "thread_waits") == busy
    assert "interrupt" == seen.end.outcome.type


async def test_two_questions() -> None:
    """Are answered at once."""
    async with served(Runner(Both, store=MemoryStore())) as client:
        waits = await shown(client, asked())
        seen = await shown(client, resume(waits, {"one": "left"}, {"two": "right"}))

    assert (["ask"], "left", "done") == (seen.steps, seen.text, seen.end.result["state"])


async def test_two_questions_of_which_one_is_answered_badly() -> None:
    """The good answer stands, so both are sent again; the good one is the same answer then."""
    async with served(Runner(Both, store=MemoryStore())) as client:
        waits = await shown(client, asked())
        unfit = await refused(client, resume(waits, {"one": "left"}, {"three": "right"}))
        seen = await shown(client, resume(waits, {"one": "left"}, {"two": "right"}, run_id="r3"))

    assert (422, "answer_unfit") == unfit
    assert ("left", "done") == (seen.text, seen.end.result["state"])


async def test_an_approval() -> None:
    """Of a tool is answered by true or false."""
    machine = clerk("pay", approval=True)
    async with served(Runner(machine, store=MemoryStore())) as client:
        waits = await shown(client, asked())
        (interrupt,) = waits.end.outcome.interrupts
        seen = await shown(client, resume(waits, True))

    assert ("approval", "pay", {"type": "boolean"}) == (
        interrupt.reason, interrupt.metadata["tool"], interrupt.response_schema
    )  # fmt: skip
    assert "success" == seen.end.outcome.type
    assert 1 == len(DONE)


def by_name(request: Request) -> Caller:
    """Know callers by what they say."""
    name = request.headers.get("authorization")
    if name is None:
        raise HTTPException(401, "Who is there?")
    return Caller(tenant=name, who=name)


async def test_callers_are_kept_apart() -> None:
    """Nobody answers the question of another tenant, or goes on with its thread; the journal says who answered."""
    runner = refunds()
    ours, theirs = {"headers": {"Authorization": "ours"}}, {"headers": {"Authorization": "theirs"}}
    async with served(runner, auth=by_name) as client:
        nobody = await refused(client, asked())
        waits = await shown(client, asked(), **ours)
        stolen = await refused(client, resume(waits, YES), **theirs)
        elsewhere = await refused(client, resume(waits, YES, thread_id="u"), **ours)
        same_name = await shown(client, asked(), **theirs)
        seen = await shown(client, resume(waits, YES), **ours)
        result = await runner.result(seen.end.result["run_id"])

    assert (401, "unauthorized") == nobody
    assert {(409, "answer_late")} == {stolen, elsewhere}
    assert same_name.end.result["run_id"] != result.run_id
    assert ["ours"] == [event.who for event in result.journal if isinstance(event, Answered)]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"messages": []}, "invalid_request"),
        ({"messages": [{"id": "a", "role": "assistant", "content": "x"}]}, "invalid_request"),
        (
            {"messages": [{"id": "a", "role": "user", "content": [
                {"type": "image", "source": {"type": "url", "value": "https://x"}}]}]},
            "invalid_request",
        ),
        ({"threadId": "a\n"}, "invalid_request"),
        ({"runId": ""}, "invalid_request"),
        ({"resume": [{"interruptId": "nowhere:0:0", "status": "resolved"}]}, "answer_late"),
        ({"resume": [{"interruptId": "x", "status": "perhaps"}]}, "invalid_request"),
    ],
)  # fmt: skip
async def test_what_is_refused(more: dict[str, Any], code: str) -> None:
    """It is a problem before anything was begun, and no stream."""
    runner = desk()
    async with served(runner) as client:
        _, came = await refused(client, {**asked(), **more})

    assert runner.store is not None
    assert code == came
    assert () == tuple(await runner.store.list())


async def test_parts_of_text_are_one() -> None:
    """As is said."""
    parts = [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]
    async with served(desk()) as client:
        seen = await shown(client, {**asked(), "messages": [{"id": "a", "role": "user", "content": parts}]})

    assert "hi, kind" == seen.text


async def test_a_client_that_goes_away() -> None:
    """Its run is landed after a while, and the next one of the thread can begin."""
    runner = desk()
    async with served(runner, grace_s=0.01) as client:
        async with client.stream("POST", "/agui", json=asked("hold")) as response:
            await anext(response.aiter_lines())
        assert runner.store is not None
        (row,) = await runner.store.list()
        async with asyncio.timeout(PATIENCE_S), runner.follow(row.run_id) as events:
            async for _ in events:
                pass
        seen = await shown(client, asked("two", run_id="r2"))

    assert "two, kind" == seen.text


async def test_heartbeats_are_comments() -> None:
    """Between events."""
    slowly = served(desk(), heartbeat_s=0.01)
    async with slowly as client, client.stream("POST", "/agui", json=asked("hold")) as response:
        lines = response.aiter_lines()
        while not (await anext(lines)).startswith(":"):
            pass
        HELD["hold"].set()
        rest = [line async for line in lines]

    assert any("RUN_FINISHED" in line for line in rest)


async def test_a_store_that_fails_under_way() -> None:
    """Ends the stream with an error of which nothing is told."""
    store = MemoryStore()
    runner = desk(store=store)

    async def broken(*given: Any, **options: Any) -> Any:
        raise OSError("postgres://user:hunter2@host")

    async with served(runner) as client, client.stream("POST", "/agui", json=asked("hold")) as response:
        lines = response.aiter_lines()
        first = await anext(lines)
        store.append = store.list = broken  # type: ignore[method-assign]
        HELD["hold"].set()
        rest = [line async for line in lines if line.startswith("data: ")]

    seen = Client()
    for line in [first, *rest]:
        seen.take(EVENT.validate_json(line.removeprefix("data: ")))
    end: Any = seen.end
    assert "RUN_ERROR" == end.type
    assert "hunter2" not in end.message
