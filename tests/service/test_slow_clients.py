"""Clients that read slowly: little is kept for them, they hold nobody up, and what they get is whole."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import socket
from typing import Any

import pytest
from support.patience import PATIENCE_S
from support.serving import SSE, app_of, client_of, events_of, listening
from support.speaking import Speaking

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, MemoryStore, Runner, State, TextDelta
from fsm_orch.models.base import OnPiece, Request, Response
from fsm_orch.run.ears import MANY, Ear


class Asked(Context):
    """A question."""

    query: str
    answer: str | None = None


class Replies(Machine[Asked]):
    """One agent answers at length."""

    reply = State(LLMAgent("Answer.", reads=Asked.query, writes=Asked.answer, max_output_tokens=90_000), initial=True)
    done, human = Final(), Final(fallback=True)
    finish = reply.to(done, "it is answered")
    limits = Limits(tokens=1_000_000, visit_s=600, deadline_s=600)  # it is told in thirteen thousand pieces


ANSWER = "".join(f"word {each} " for each in range(4_000))


def piece(text: str) -> TextDelta:
    return TextDelta(path=(), hops=0, attempt=1, field="answer", text=text)


async def test_what_is_not_taken_is_joined() -> None:
    """Of ten thousand pieces some are kept, which hold all of their text; those after a record stay apart."""
    ear = Ear(text=True)
    for each in range(10_000):
        ear.hear(3, piece(f"{each},"))
    for each in range(10_000):
        ear.hear(4, piece(f"{each};"))

    assert len(ear.texts) <= MANY + 1
    said = {after: "".join(heard.delta.text for heard in ear.texts if heard.after == after) for after in (3, 4)}
    assert {n: "".join(f"{each}{end}" for each in range(10_000)) for n, end in ((3, ","), (4, ";"))} == said


async def dribbling(url: str, path: str, read: list[bytes]) -> socket.socket:
    """Follow a run with the smallest buffer there is; return its socket once the stream has begun."""
    host, port = url.removeprefix("http://").split(":")
    loop, slow = asyncio.get_running_loop(), socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    slow.setblocking(False)
    await loop.sock_connect(slow, (host, int(port)))
    await loop.sock_sendall(slow, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    read.append(await loop.sock_recv(slow, 1))
    return slow


@pytest.mark.slow
async def test_clients_that_read_a_byte_at_a_time() -> None:
    """Others get all at their own pace, the run ends, little is kept meanwhile, and then they get the rest."""
    goes_on = asyncio.Event()

    class Waiting(Speaking):
        async def complete(self, request: Request, on_text: OnPiece | None = None) -> Response:
            await goes_on.wait()
            return await super().complete(request, on_text)

    model = Waiting([{"answer": ANSWER}], pieces=lambda text: re.findall(r".{1,3}", text, re.DOTALL))
    runner = Runner(Replies, model=model, store=MemoryStore())
    loop = asyncio.get_running_loop()
    async with listening(app_of(runner, heartbeat_s=0.05)) as url, client_of(url) as client:
        async with client.stream("POST", "/runs", json={"context": {"query": "?"}}, headers=SSE) as response:
            path, reads = f"{response.headers['location']}/events", [list[bytes]() for _ in range(10)]
            slow = [await dribbling(url, path, read) for read in reads]
            goes_on.set()
            fast = list[Any]()
            kept = list[int]()
            async for event in events_of(response):
                fast.append(event)
                if len(fast) % 500 == 0:
                    for each, read in zip(slow, reads, strict=True):
                        read.append(await loop.sock_recv(each, 1))
                    kept.append(max(len(each.texts) for each in gc.get_objects() if isinstance(each, Ear)))
        assert "result" == fast[-1].event
        other = await client.get("/healthz")
        for each, read in zip(slow, reads, strict=True):
            while got := await loop.sock_recv(each, 65_536):
                read.append(got)
            each.close()

    told = "".join(event.data["text"] for event in fast if event.event == "text")
    assert ANSWER == told == fast[-1].data["context"]["answer"]
    assert 200 == other.status_code
    assert max(kept) <= 2 * MANY
    for read in reads:
        sent = b"".join(read).decode()
        events = re.findall(
            r"(?:id: (\d+)\r?\n)?event: (\w+)\r?\ndata: (.*)\r?\n", re.sub(r"\r\n[0-9a-f]+\r\n", "", sent)
        )
        assert ANSWER == "".join(json.loads(data)["text"] for _, kind, data in events if kind == "text")
        assert [event.id for event in fast if event.id is not None] == [
            int(number) for number, _, _ in events if number
        ]
        assert "result" == events[-1][1]


@pytest.mark.parametrize("count", [50])
async def test_clients_that_read_nothing_leave_nothing(count: int) -> None:
    """Of those that are gone before they have read anything no task and no ear is left."""
    runner = Runner(Replies, model=Speaking([{"answer": ANSWER}] * 2), store=MemoryStore())
    async with listening(app_of(runner)) as url, client_of(url) as client:
        run = (await client.post("/runs", json={"context": {"query": "?"}})).json()
        before = len(asyncio.all_tasks())
        path = f"/runs/{run['run_id']}/events"
        slow = [await dribbling(url, path, []) for _ in range(count)]
        for each in slow:
            each.close()
        async with asyncio.timeout(PATIENCE_S):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - they end by themselves
                await asyncio.sleep(0.01)

    assert not [each for each in gc.get_objects() if isinstance(each, Ear)]
