"""Admission: who is admitted when, what all others are told, and that nothing is read of a request that is refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.resilience import Admission, Door, Overloaded
from fsm_orch.testing import virtual_time

pytestmark = pytest.mark.looptime


async def admitted(admission: Admission, stays_s: float, weight: int = 1) -> tuple[str, float]:
    """Return what a run is told, and after how many seconds."""
    loop = asyncio.get_running_loop()
    came = loop.time()
    try:
        async with admission.place(weight) as waited:
            await asyncio.sleep(stays_s)
            return "ran", waited
    except Overloaded as error:
        return error.reason, loop.time() - came


async def test_the_first_are_served_first_and_the_rest_is_told_at_once() -> None:
    """Of six, two run, two wait, and two find the line full."""
    admission = Admission(2, queue=2)
    came = await asyncio.gather(*(admitted(admission, 1.0) for _ in range(6)))

    assert [("ran", 0.0)] * 2 + [("ran", 1.0)] * 2 + [("queue_full", 0.0)] * 2 == came
    assert (0, 0) == (admission.running, admission.waiting)


async def test_who_would_wait_too_long_is_told_so_at_once() -> None:
    """Runs have taken 10 s: with both places held, and none free within 5 s, it is refused before it waits."""
    admission = Admission(2, wait_s=4.0, expected_s=10.0)
    came = await asyncio.gather(*(admitted(admission, 10.0) for _ in range(3)))

    assert ("too_long", 0.0) == came[2]


async def test_who_has_waited_too_long_is_told_so() -> None:
    """It was to be served in a second, and the runs before it take longer than ever."""
    admission = Admission(1, wait_s=3.0)
    came = await asyncio.gather(admitted(admission, 60.0), admitted(admission, 1.0))

    assert ("waited_too_long", 3.0) == came[1]
    assert (0, 0) == (admission.running, admission.waiting)


async def test_retry_after_is_measured() -> None:
    """With runs of 8 s, four places and eight that wait, a place is likely after 18 s."""
    admission = Admission(4, queue=8, wait_s=100.0)
    for _ in range(200):
        await admitted(admission, 8.0)
    tasks = [asyncio.create_task(admitted(admission, 8.0)) for _ in range(12)]
    await asyncio.sleep(0)

    refused = admission.refusal()
    assert refused is not None
    assert ("queue_full", 18) == (refused.reason, refused.retry_after_s)
    assert "queue_full: too much is at work here. Try again in 18 s" == str(refused)
    await asyncio.gather(*tasks)
    assert admission.refusal() is None


async def test_a_heavy_run_is_not_overtaken() -> None:
    """Runs weigh what they may still cost; who waits for much is served before who came later and wants little."""
    admission = Admission(10, wait_s=100.0)
    came = await asyncio.gather(*(admitted(admission, 1.0, weight) for weight in (6, 8, 2, 25)))

    assert [("ran", 0.0), ("ran", 1.0), ("ran", 1.0), ("ran", 2.0)] == came


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.0, 0.3]), st.sampled_from([0.1, 1.0, 4.0]), st.integers(1, 12))),
    st.integers(1, 8),
    st.integers(0, 4),
)
def test_what_is_said_at_the_door_is_what_happens(runs: list[tuple[float, float, int]], most: int, queue: int) -> None:
    """Whoever was not to be refused runs, or waits as long as it may; whoever was, is refused; all is free then."""
    admission = Admission(most, queue=queue)

    async def one(stays_s: float, weight: int) -> None:
        would, came = admission.refusal(weight), await admitted(admission, stays_s, weight)
        if would is not None:
            assert (would.reason, 0.0) == came
        else:
            assert came[0] == "ran" or came == ("waited_too_long", 5.0)

    async def all_of_them() -> None:
        tasks = []
        for after_s, stays_s, weight in runs:
            await asyncio.sleep(after_s)
            tasks.append(asyncio.create_task(one(stays_s, weight)))
        await asyncio.gather(*tasks)

    with virtual_time() as loop:
        loop.run(all_of_them())
    assert (0, 0) == (admission.running, admission.waiting)


@pytest.mark.parametrize("numbers", [(0, {}), (1, {"queue": -1}), (1, {"wait_s": -1}), (1, {"expected_s": 0})])
async def test_numbers_of_admission_make_sense(numbers: tuple[int, dict[str, Any]]) -> None:
    """No place at all, or a time that is none, is refused."""
    with pytest.raises(ValueError, match="give positive numbers"):
        Admission(numbers[0], **numbers[1])


class App:
    """An application that is called, and answers."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1


async def refuse_to_give() -> Any:
    raise AssertionError("the body is not read")


async def asked(door: Door, scope: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a request is answered without the application."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await door(scope, refuse_to_give, send)
    return sent


async def test_a_door_refuses_before_anything_is_read() -> None:
    """It answers 429 with Retry-After, and the application is not called."""
    admission, app = Admission(1, queue=0), App()
    door = Door(app, admission=admission, paths=["/runs"])
    async with admission.place():
        start, body = await asked(door, {"type": "http", "method": "POST", "path": "/runs"})

    assert (429, b"1") == (start["status"], dict(start["headers"])[b"retry-after"])
    assert "queue_full" == json.loads(body["body"])["reason"]
    assert 0 == app.calls


@pytest.mark.parametrize(
    "scope",
    [
        {"type": "http", "method": "GET", "path": "/runs"},
        {"type": "http", "method": "POST", "path": "/health"},
        {"type": "websocket", "path": "/runs"},
        {"type": "lifespan"},
    ],
)
async def test_a_door_lets_all_else_pass(scope: dict[str, Any]) -> None:
    """Requests that begin no run, sockets and the lifespan reach the application, however much is at work."""
    admission, app = Admission(1, queue=0), App()
    async with admission.place():
        assert [] == await asked(Door(app, admission=admission, paths=["/runs"]), scope)
    assert 1 == app.calls


async def test_a_door_lets_in_who_would_be_admitted() -> None:
    """It takes no place: the route does."""
    admission, app = Admission(1, queue=0), App()
    assert [] == await asked(Door(app, admission=admission), {"type": "http", "method": "POST", "path": "/any"})
    assert (1, 0) == (app.calls, admission.running)
