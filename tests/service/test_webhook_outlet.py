"""The outlet of webhooks: where it connects to, and that TLS asks for the host."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from support.receiver import Receiver, receiving

from fsm_orch.service.webhook_outlet import Answer, is_public, outlet

HOST = "receiver.test"


async def posted(url: str, *, is_private_allowed: bool = True, tls: ssl.SSLContext | None = None) -> Answer:
    """Post an empty object."""
    async with outlet(url, timeout_s=5.0, connections=1, is_private_allowed=is_private_allowed, tls=tls) as opened:
        return await opened.post(b"{}", {})


class Resolver:
    """Tells what a name resolves to, one answer after the other; the last one for good."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers, real = answers, socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name != HOST:
                return real(host, port, *args, **options)
            self.asked.append(name)
            answer = self._answers[min(len(self.asked), len(self._answers)) - 1]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in answer]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def at_host(receiver: Receiver) -> str:
    """Return the URL of a receiver by its name."""
    return receiver.url.replace("127.0.0.1", HOST)


async def test_a_name_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that resolves to what is not public is not connected to, be it one of its addresses."""
    for answer in (["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"]):
        Resolver(monkeypatch, answer)
        with receiving(Receiver()) as receiver:
            answered = await posted(at_host(receiver), is_private_allowed=False)

        assert Answer(None, "its address is not public") == answered
        assert [] == receiver.sent


async def test_a_name_means_one_thing_in_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is resolved once: what it would resolve to a moment later is not connected to."""
    resolver = Resolver(monkeypatch, ["127.0.0.1"], ["192.0.2.1"])
    with receiving(Receiver()) as receiver:
        answered = await posted(at_host(receiver))

    assert 204 == answered.status
    assert [HOST] == resolver.asked
    assert receiver.sent[0].headers["host"] == at_host(receiver).removeprefix("http://").removesuffix("/hook")


async def test_a_name_that_takes_long_keeps_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests wait: the threads of a process are few, and hosts of models are resolved there too."""
    at_once, most = Semaphore(1), list[bool]()
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        most.append(at_once.acquire(blocking=False))
        time.sleep(0.01)
        at_once.release()
        return real("127.0.0.1", port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with receiving(Receiver()) as receiver:
        opening = outlet(at_host(receiver), timeout_s=5.0, connections=8, is_private_allowed=True, tls=None)
        async with opening as opened:
            answers = await asyncio.gather(*[opened.post(b"{}", {}) for _ in range(8)])

    assert ({204}, [True] * 8) == ({answer.status for answer in answers}, most)


async def test_of_several_addresses_one_that_answers_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """One at which nobody listens is passed by."""
    Resolver(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    with receiving(Receiver()) as receiver:
        answered = await posted(at_host(receiver))

    assert 204 == answered.status


async def test_nobody_there_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is none, a port that is closed, and what breaks off are told without the URL."""
    with receiving(Receiver()) as receiver:
        url = receiver.url
    Resolver(monkeypatch, [])
    names = [await posted(each) for each in (url, "http://nobody.invalid/secret")]

    assert [None, None] == [answer.status for answer in names]
    assert not any("secret" in answer.why or "127" in answer.why for answer in names)


async def test_bodies_of_answers_are_not_read() -> None:
    """A receiver that says that an endless answer follows has answered."""
    with receiving(Receiver([(200, {"content-length": str(10**12)})])) as receiver:
        answered = await posted(receiver.url)

    assert 200 == answered.status


def certified(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server of a host shows, and a client that trusts it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "cert").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    shows = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows.load_cert_chain(folder / "cert", folder / "key")
    return shows, ssl.create_default_context(cafile=str(folder / "cert"))


async def test_tls_asks_for_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The certificate must be that of the host's name, though the connection is made to its address."""
    answers = {}
    for host in (HOST, "other.test"):
        Resolver(monkeypatch, ["127.0.0.1"])
        shows, trusts = certified(tmp_path, host)
        with receiving(Receiver(), tls=shows) as receiver:
            answers[host] = await posted(at_host(receiver), tls=trusts)

    assert (204, None) == (answers[HOST].status, answers["other.test"].status)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
    ],
)  # fmt: skip
def test_what_is_not_public_is_told(address: str) -> None:
    """Addresses of this machine, its link, its network or of many are not public, however they are wrapped."""

    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_what_is_public_is_told(address: str) -> None:
    """So are addresses of the public internet."""

    assert is_public(address)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}"]))
def test_what_wraps_an_address_opens_nothing(address: ipaddress.IPv4Address, wrap: str) -> None:
    """IPv4 within IPv6 is public only if it is so by itself."""

    assert is_public(str(address)) or not is_public(wrap.format(address))
