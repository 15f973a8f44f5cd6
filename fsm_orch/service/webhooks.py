"""Webhooks: whoever is to approve something, or waits for a run to end, is told of it by a signed request.

What is to be told is noted by the store, in the transaction in which a run comes to wait or ends, and stays noted
until a receiver has taken it. So each event is delivered *at least once*, whenever whichever process dies; one that
came twice has the same id. A question that was answered before it could be told is not told.
"""

from __future__ import annotations

import base64
import binascii
import re
import ssl
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook

from ..clock import Clock
from ..define.options import positive, whole
from ..errors import StartError
from ..run.runner import Runner
from ..store.notices import Notifying
from .webhook_delivery import Delivery, Patience, Terms
from .webhook_event import Event, EventType, standard
from .webhook_outlet import is_public, outlet

__all__ = ["Event", "Webhooks"]

_TYPES: tuple[EventType, ...] = ("waiting", "ended")


class Webhooks:
    """A receiver that is told of runs which wait for a human, and of runs that have ended.

        webhooks = Webhooks("https://example.org/hook", secret=os.environ["WEBHOOK_SECRET"])
        async with webhooks.delivering(runner):
            await runner.work()

    A request is signed as Standard Webhooks lays it down (`webhook-id`, `webhook-timestamp`, `webhook-signature`), and
    its body is `{"type": "run.waiting", "timestamp": ..., "data": {...}}`, without values of the context. A receiver
    takes it by any 2xx; by 410 it says that it wants no more. Whatever else comes is tried again, for as long as
    `tries` and `give_up_s` say, and not before `Retry-After`. No redirect is followed. Runs never wait for a receiver.

    Args:
        url: where the receiver is. It may be a secret, and is in no log.
        secret: `whsec_` and 24 to 64 bytes in base64; several while one is being replaced: each signs.
        events: what it is told: of runs that are `waiting`, that have `ended`, or both.
        link: returns where a human answers the question of an event, or sees the run.
        payload: returns the body as JSON, instead of the standard one: such as a message of a chat. The event has the
            whole run, so that it may say values of the context.
        name: names the receiver in the store. What is noted for it stays when its URL changes; give each receiver its
            own, the same in every process.
        concurrency: how many requests are under way at once, in this process. What is beyond waits in the store.
        timeout_s: how long a request may take in all.
        tries: how often an event is sent at most.
        initial_s: the wait before the second try, doubled for each further one; up to half of it is left out by chance.
        max_s: the longest wait, unless the receiver asks for more.
        give_up_s: no event is tried again that is older.
        poll_s: seconds between two looks at the store in which nothing more was found.
        drain_s: how long what is still to be told may take when the block is left; the rest stays noted.
        is_http_allowed: whether `url` may be `http`, which anybody on the way reads.
        is_private_allowed: whether the receiver may be in a private network or on this machine.
        tls: which certificates are trusted; None: those of the system.
        wall_clock: seconds of the epoch.
        chance: makes the waits differ.

    Raises TypeError: if what is to be a number is none.
    Raises ValueError: if the URL, the secret or the events are none, or a number is too small; no message holds the
        secret or the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | Sequence[str],
        events: Sequence[EventType] = _TYPES,
        link: Callable[[Event], str] | None = None,
        payload: Callable[[Event], Any] = standard,
        name: str = "webhook",
        concurrency: int = 8,
        timeout_s: float = 15.0,
        tries: int = 16,
        initial_s: float = 5.0,
        max_s: float = 3_600.0,
        give_up_s: float = 86_400.0,
        poll_s: float = 1.0,
        drain_s: float = 5.0,
        is_http_allowed: bool = False,
        is_private_allowed: bool = False,
        tls: ssl.SSLContext | None = None,
        wall_clock: Clock = time.time,
        chance: Random | None = None,
    ) -> None:
        self._url = _checked_url(url, is_http_allowed=is_http_allowed, is_private_allowed=is_private_allowed)
        self._is_private_allowed, self._tls, self._drain_s = is_private_allowed, tls, drain_s
        secrets = [secret] if isinstance(secret, str) else secret
        if not secrets:
            raise ValueError("webhooks are signed: give a secret")
        if not events or not set(events) <= set(_TYPES):
            raise ValueError(f"events of webhooks are some of {_TYPES}, not {tuple(events)}")
        whole("concurrency= of Webhooks", concurrency)
        whole("tries= of Webhooks", tries)
        for option, seconds in {"timeout_s": timeout_s, "poll_s": poll_s}.items():
            positive(f"{option}= of Webhooks", seconds)
        waits = {"initial_s": initial_s, "max_s": max_s, "give_up_s": give_up_s, "drain_s": drain_s}
        for option, seconds in waits.items():
            positive(f"{option}= of Webhooks", seconds, or_zero=True, or_endless=option == "give_up_s")
        self._terms = Terms(
            name=name,
            signers=[Webhook(_checked_secret(each)) for each in secrets],
            types=tuple(events),
            link=link,
            payload=payload,
            patience=Patience(tries=tries, initial_s=initial_s, max_s=max_s, give_up_s=give_up_s),
            concurrency=concurrency,
            timeout_s=timeout_s,
            poll_s=poll_s,
            wall_clock=wall_clock,
            chance=chance or Random(),  # noqa: S311 - it keeps no secret
        )

    def __repr__(self) -> str:
        return f"Webhooks(name={self._terms.name!r})"

    @asynccontextmanager
    async def delivering(self, *runners: Runner[Any, Any]) -> AsyncGenerator[None]:
        """Deliver what there is to tell of the runs of some runners, whoever drives them, until the block is left.

        From its first time on the store notes what is to be told, be a process there that delivers or not; runs that
        wait already are told too. As many processes as wanted deliver: an event is sent by one of them, and by another
        only if that one dies, or takes too long.

        Args:
            runners: of one store: of one machine or several, and of older versions under which runs still wait.

        Raises StartError: if there is no runner, no store, several, or one that cannot note.
        Raises StoreError: if the store cannot be asked.
        """
        stores = {id(runner.store): runner.store for runner in runners}
        store = next(iter(stores.values()), None)
        if len(stores) != 1 or not isinstance(store, Notifying) or store is None:
            raise StartError("webhooks have runners of one store: Runner(..., store=MemoryStore()), or a database")
        by_digest = {runner.definition.digest: runner for runner in runners}
        await store.notices.subscribe(self._terms.name, tuple(by_digest))
        async with outlet(
            self._url,
            timeout_s=self._terms.timeout_s,
            connections=self._terms.concurrency,
            is_private_allowed=self._is_private_allowed,
            tls=self._tls,
        ) as way_out:
            delivery = Delivery(self._terms, by_digest, store, way_out)
            async with delivery.at_work(drain_s=self._drain_s):
                yield


def _checked_url(url: str, *, is_http_allowed: bool, is_private_allowed: bool) -> str:
    parts = _parts(url)
    if parts is None or parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("the URL of a webhook is https://HOST/..., printable, with a number for its port, if any")
    if parts.scheme == "http" and not is_http_allowed:
        raise ValueError("the URL of a webhook is https://...: over http anybody reads it (is_http_allowed=True)")
    if not is_private_allowed and re.fullmatch(r"[\d.]+|.*:.*", parts.hostname) and not _is_public_ip(parts.hostname):
        raise ValueError("the URL of a webhook names an address that is not public (is_private_allowed=True)")
    return url


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:  # its words hold the URL
        return None
    return parts if url.isprintable() else None


def _is_public_ip(host: str) -> bool:
    try:
        return is_public(host)
    except ValueError:  # such as `127.1`, which a resolver takes: it is judged when it is connected to
        return True


def _checked_secret(secret: str) -> str:
    try:
        length = len(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not secret.startswith("whsec_") or not 24 <= length <= 64:
        raise ValueError(
            "the secret of a webhook is 'whsec_' and 24 to 64 random bytes in base64: "
            "'whsec_' + base64.b64encode(secrets.token_bytes(32)).decode()"
        )
    return secret
