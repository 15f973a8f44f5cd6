"""Admission and its door behind a real server: who is answered what over a socket, and what is read of whom."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.fleet import wait_until
from support.served import ServerProcess, served

BIG = 1_000_000_000


@pytest.fixture(scope="module")
def process() -> Iterator[ServerProcess]:
    """Give a server with two places and a line of two."""
    with served(2, 2) as server:
        yield server


@pytest.fixture
def server(process: ServerProcess) -> Iterator[ServerProcess]:
    """Give it idle, and see that it is idle again."""
    yield process
    wait_until(lambda: (0, 0) == at_work(process))


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Give threads for clients that wait."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def at_work(server: ServerProcess) -> tuple[int, int]:
    """Return how many run, and how many wait."""
    state = server.state()
    return state["running"], state["waiting"]


def post(server: ServerProcess, text: str) -> httpx2.Response:
    """Ask something."""
    return server.client.post("/runs", json={"text": text})


def opened(server: ServerProcess, *headers: str) -> socket.socket:
    """Return a connection on which the headers of a request have been sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall("\r\n".join(["POST /runs HTTP/1.1", "Host: x", *headers, "", ""]).encode())
    return connection


def head_of(connection: socket.socket) -> str:
    """Return the status and the headers of an answer."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(4096)
        assert piece, got
        got += piece
    return got.partition(b"\r\n\r\n")[0].decode()


def fill(server: ServerProcess, threads: ThreadPoolExecutor, count: int) -> list[object]:
    """Ask so much, one after the other, and return what is still to be answered."""
    asked = []
    for n in range(count):
        before = sum(at_work(server))
        asked.append(threads.submit(post, server, f"r{n}"))
        wait_until(lambda before=before: sum(at_work(server)) == before + 1)
    return asked


def test_the_first_that_came_are_served_first(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """Of five, two run, two wait, and the fifth is refused; each that ends hands its place to the first in line."""
    ran = len(server.state()["ran"])
    asked = fill(server, threads, 4)
    refused = post(server, "r4")
    seen = [at_work(server)]
    for _ in range(4):
        left = sum(at_work(server))
        server.go(1)
        wait_until(lambda left=left: sum(at_work(server)) == left - 1)
        seen.append(at_work(server))

    assert (429, "queue_full") == (refused.status_code, refused.json()["reason"])
    assert int(refused.headers["retry-after"]) >= 1
    assert [(2, 2), (2, 1), (2, 0), (1, 0), (0, 0)] == seen
    assert ["r0", "r1", "r2", "r3"] == server.state()["ran"][ran:]
    assert [(200, "yes")] * 4 == [(each.result().status_code, each.result().json()["answer"]) for each in asked]


def test_a_body_that_is_refused_is_not_read(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """Who announces 1 GB is refused by its headers alone, and its connection is closed: nothing more is read of it."""
    asked = fill(server, threads, 4)
    read = server.state()["bytes"]
    with opened(server, f"Content-Length: {BIG}") as connection:
        head = head_of(connection)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            connection.sendall(bytes(BIG // 10))
    assert "429" in head.splitlines()[0]
    assert read == server.state()["bytes"]

    server.go(4)
    assert {200} == {each.result().status_code for each in asked}


def test_a_body_of_no_known_length_is_not_read_either(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """So it is with one that comes in chunks, and one that waits for leave to send."""
    asked = fill(server, threads, 4)
    heads = []
    for headers in (["Transfer-Encoding: chunked"], [f"Content-Length: {BIG}", "Expect: 100-continue"]):
        with opened(server, *headers) as connection:
            heads.append(head_of(connection))
            assert b"" == connection.recv(4096).partition(b"}")[2]
            assert b"" == connection.recv(4096)
    assert ["429", "429"] == [head.split()[1] for head in heads]

    server.go(4)
    assert {200} == {each.result().status_code for each in asked}


def test_a_connection_is_kept_where_the_body_is_small(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """A client that is refused asks again on the same connection, which costs less than a new one."""
    asked = fill(server, threads, 4)
    body = json.dumps({"text": "again"})
    with opened(server, f"Content-Length: {len(body)}") as connection:
        for _ in range(3):
            connection.sendall(body.encode())
            assert "429" in head_of(connection).splitlines()[0]
            connection.sendall(f"POST /runs HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())

    server.go(4)
    assert {200} == {each.result().status_code for each in asked}


def test_what_begins_no_run_passes(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """Whatever is at work, other requests and the lifespan reach the application."""
    asked = fill(server, threads, 4)

    assert "started" == server.state()["lifespan"]
    assert [200] * 3 == [server.client.request(m, "/").status_code for m in ("GET", "HEAD", "OPTIONS")]
    server.go(4)
    assert {200} == {each.result().status_code for each in asked}


def test_a_slow_body_holds_no_place(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """Many that send their body byte by byte hold connections alone: as many run as there are places."""
    slow = [opened(server, "Content-Length: 100000") for _ in range(20)]
    for _ in range(3):
        for each in slow:
            each.sendall(b"{")
    assert (0, 0) == at_work(server)
    asked = fill(server, threads, 2)
    server.go(2)

    assert {200} == {each.result().status_code for each in asked}
    for each in slow:
        each.close()


def test_who_leaves_the_line_frees_its_place(server: ServerProcess, threads: ThreadPoolExecutor) -> None:
    """A client that goes away while it waits is not served, and those behind it move up."""
    ran = len(server.state()["ran"])
    asked = fill(server, threads, 2)
    body = json.dumps({"text": "gone"})
    leaving = opened(server, f"Content-Length: {len(body)}")
    leaving.sendall(body.encode())
    wait_until(lambda: (2, 1) == at_work(server))
    asked.append(threads.submit(post, server, "r2"))
    wait_until(lambda: (2, 2) == at_work(server))
    leaving.close()
    wait_until(lambda: (2, 1) == at_work(server))
    server.go(3)

    assert {200} == {each.result().status_code for each in asked}
    assert ["r0", "r1", "r2"] == server.state()["ran"][ran:]


@pytest.mark.slow
def test_whoever_comes_back_as_told_is_answered_in_the_end() -> None:
    """Of 60 that come at once most are refused; nothing else is said to them, and all are answered, one by one."""
    said = list[int]()

    def client(server: ServerProcess, n: int) -> str:
        while (answer := post(server, str(n))).status_code == 429:
            said.append(int(answer.headers["retry-after"]))
            time.sleep(said[-1])
        return str(answer.json()["answer"])

    with served(4, 8, "0.1") as server, ThreadPoolExecutor(60) as clients:
        answers = [*clients.map(lambda n: client(server, n), range(60))]

    assert ["yes"] * 60 == answers
    assert said
