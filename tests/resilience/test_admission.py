"""Admission: who is admitted when, what all others are told, and that nothing is read of a request that is refused."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import httpx2
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


@pytest.mark.parametrize(("after_s", "told"), [(1.0, 20), (60.0, 24)])
async def test_a_run_that_is_cut_short_says_only_that_it_takes_longer(after_s: float, told: int) -> None:
    """Clients that leave soon do not make a run look short, and those that leave late make it look long."""
    admission = Admission(1, queue=0, expected_s=20.0)
    cut = asyncio.create_task(admitted(admission, 100.0))
    await asyncio.sleep(after_s)
    cut.cancel()
    await asyncio.wait([cut])
    async with admission.place():
        refused = admission.refusal()

    assert refused is not None
    assert told == refused.retry_after_s


async def test_who_is_refused_and_comes_back_as_told_is_admitted() -> None:
    """Of 400 that come at once, 48 are admitted; those who wait as told do not come back all together."""
    admission = Admission(8, queue=40, wait_s=2.5, expected_s=0.4)
    first, again = list[str](), list[str]()

    async def client() -> None:
        try:
            async with admission.place():
                await asyncio.sleep(0.4)
            first.append("ran")
        except Overloaded as error:
            await asyncio.sleep(error.retry_after_s)
            again.append((await admitted(admission, 0.4))[0])

    await asyncio.gather(*(client() for _ in range(400)))

    assert (48, 352) == (len(first), len(again))
    assert ["ran"] * 352 == again


async def test_those_who_come_back_too_early_do_not_make_others_wait_for_good() -> None:
    """However many have been refused, nobody is told more than a minute for them, and a free place is anybody's."""
    admission = Admission(1, queue=0)
    async with admission.place():
        told = [refused.retry_after_s for _ in range(10_000) if (refused := admission.refusal())]

    assert (1, 60) == (told[0], told[-1])
    assert sorted(told) == told
    assert admission.refusal() is None


async def test_a_heavy_run_that_gives_up_is_in_nobodys_way() -> None:
    """It needed all places; whoever stood behind it has one at once, and not when the next is given back."""
    admission, loop = Admission(2, wait_s=5), asyncio.get_running_loop()
    began = list[float]()

    async def light() -> None:
        await asyncio.sleep(1)
        async with admission.place():
            began.append(loop.time())

    async with admission.place():
        heavy = asyncio.ensure_future(admission.place(2).__aenter__())
        behind = asyncio.ensure_future(light())
        await asyncio.sleep(2)
        heavy.cancel()
        await behind

    assert [2] == [round(each) for each in began]


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
            assert came[0] == "ran" or came == ("waited_too_long", pytest.approx(5.0))

    async def all_of_them() -> None:
        tasks = []
        for after_s, stays_s, weight in runs:
            await asyncio.sleep(after_s)
            tasks.append(asyncio.create_task(one(stays_s, weight)))
        await asyncio.gather(*tasks)

    with virtual_time() as loop:
        loop.run(all_of_them())
    assert (0, 0) == (admission.running, admission.waiting)


@pytest.mark.parametrize(
    "numbers", [(0, {}), (1, {"queue": -1}), (1, {"wait_s": -1}), (1, {"expected_s": 0}), (1, {"expected_s": math.inf})]
)
async def test_numbers_of_admission_make_sense(numbers: tuple[int, dict[str, Any]]) -> None:
    """No place at all, or a time that is none, is refused."""
    with pytest.raises(ValueError, match="of an Admission takes a"):
        Admission(numbers[0], **numbers[1])


class App:
    """An application that is called, sends what it is given, and may raise then."""

    def __init__(self, *sends: dict[str, Any], raises: Exception | None = None) -> None:
        self.calls, self._sends, self._raises = 0, sends, raises

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        for message in self._sends:
            await send(message)
        if self._raises is not None:
            raise self._raises


def request(method: str = "POST", path: str = "/runs", version: str = "1.1", **headers: str) -> dict[str, Any]:
    """Return the scope of a request."""
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "http_version": version, "method": method, "path": path, "headers": named}


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
        start, body = await asked(door, request())

    assert (429, b"1") == (start["status"], dict(start["headers"])[b"retry-after"])
    assert "queue_full" == json.loads(body["body"])["reason"]
    assert 0 == app.calls


@pytest.mark.parametrize(
    "scope",
    [
        request("GET"),
        request("HEAD"),
        request(path="/health"),
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


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        (request(path="/api/runs") | {"root_path": "/api"}, 429),
        (request(path="/runs") | {"root_path": "/api"}, 429),
        (request(path="/api/runs"), None),
        (request("post", path="/runs"), None),  # no method of HTTP
    ],
)
async def test_a_door_knows_its_paths_below_a_prefix(scope: dict[str, Any], status: int | None) -> None:
    """Paths are those of the application, wherever a server or a proxy has put it."""
    admission = Admission(1, queue=0)
    async with admission.place():
        sent = await asked(Door(App(), admission=admission, paths=["/runs"], methods=["post"]), scope)

    assert status == (sent[0]["status"] if sent else None)


@pytest.mark.parametrize(
    ("named", "error"),
    [({"paths": "/runs"}, TypeError), ({"methods": "POST"}, TypeError), ({"paths": ["runs"]}, ValueError)],
)
def test_what_a_door_could_not_find_is_refused(named: dict[str, Any], error: type[Exception]) -> None:
    """A text is no list of them, and a path begins with a slash: else all would pass, and nobody would know."""
    with pytest.raises(error, match=r"paths=|methods="):
        Door(App(), admission=Admission(1), **named)


def test_a_door_asks_an_admission() -> None:
    """Anything else is refused when the application is made, and not in each request."""
    with pytest.raises(TypeError, match=r"^admission= of a Door takes an Admission, not an int: Admission\(64\)$"):
        Door(App(), admission=64)  # type: ignore[arg-type]


async def test_a_door_lets_in_who_would_be_admitted() -> None:
    """It takes no place: the route does."""
    admission, app = Admission(1, queue=0), App()
    assert [] == await asked(Door(app, admission=admission), request(path="/any"))
    assert (1, 0) == (app.calls, admission.running)


@pytest.mark.parametrize(
    ("scope", "closes"),
    [
        (request(content_length="65536"), False),
        (request(), False),
        (request(content_length="65537"), True),
        (request(transfer_encoding="chunked"), True),
        (request(content_length="5", expect="100-continue"), True),
        (request(version="2", content_length="65537"), False),
    ],
)
async def test_a_door_closes_a_connection_on_which_much_is_still_to_come(scope: dict[str, Any], closes: bool) -> None:
    """A server would read the body to its end, to find the next request; in HTTP/2 each has a stream of its own."""
    admission = Admission(1, queue=0)
    async with admission.place():
        start, _ = await asked(Door(App(), admission=admission), scope)

    assert closes == ((b"connection", b"close") in start["headers"])


async def test_a_door_says_what_the_route_was_told() -> None:
    """A run that is refused behind it, be it by `place` or by its runner, is 429 too and no failure of the server."""
    app = App(raises=Overloaded("waited_too_long", 7))
    start, body = await asked(Door(app, admission=Admission(1)), request())

    assert (429, b"7") == (start["status"], dict(start["headers"])[b"retry-after"])
    assert "waited_too_long" == json.loads(body["body"])["reason"]


async def test_a_door_adds_nothing_to_an_answer_that_has_begun() -> None:
    """It cannot be taken back: what was raised goes on."""
    begun = {"type": "http.response.start", "status": 200, "headers": []}
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    door = Door(App(begun, raises=Overloaded("queue_full", 7)), admission=Admission(1))
    with pytest.raises(Overloaded):
        await door(request(), refuse_to_give, send)
    assert [begun] == sent


async def test_a_door_stands_in_a_framework() -> None:
    """As a middleware of Starlette it answers what a route of it was told, which would be 500 without it."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.routing import Route

    async def begin(request: Request) -> None:
        raise Overloaded("quota", 7)

    app = Starlette(routes=[Route("/runs", begin, methods=["POST"])])
    app.add_middleware(Door, admission=Admission(1), paths=["/runs"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://x") as client:
        answer = await client.post("/runs", json={})

    assert (429, "7", "quota") == (answer.status_code, answer.headers["retry-after"], answer.json()["reason"])
