"""The network between hosts and a store: it is slow, loses, delays and doubles messages, and hosts are cut off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Sequence
from contextvars import Context as Variables
from functools import partial
from typing import Any

from fsm_orch.amounts import Amount
from fsm_orch.errors import LeaseHeld, StoreError
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Claim, Head, Listed, News, Store

from .processes import Process
from .rules import Rules
from .stores import at_once
from .story import Broken, Story

GIVES_UP_S = 5.0
"""After how long a client that hears nothing gives a message up."""
LATE_S = 20.0
"""How much later than a cut a message may still arrive."""


class Network:
    """The network.

    Args:
        chance: decides the fate of each message.
        is_flaky: whether messages are doubled, and some lost, though nobody is cut off.
    """

    def __init__(self, chance: random.Random, rules: Rules, story: Story, *, is_flaky: bool) -> None:
        self.chance, self.rules, self.story = chance, rules, story
        self.is_flaky = is_flaky
        self.cut_until: dict[str, float] = {}
        """By host, until when it is cut off from the store."""
        self.slow_until: dict[str, float] = {}
        self.quiet_at = 0.0
        """When the last message that is late will have arrived."""
        self.broken: Broken | None = None
        self.on_broken: Callable[[], object] = lambda: None
        self.is_over = False
        """Whether nothing is delivered any more."""

    def trip_s(self, host: str) -> float:
        """Return how long a message is under way."""
        is_slow = self.slow_until.get(host, 0.0) > _now()
        return self.chance.uniform(0.5, 8.0) if is_slow else self.chance.uniform(0.001, 0.05)

    def check(self, look: Callable[[], object]) -> None:
        """Check something; what is broken ends the simulation."""
        try:
            look()
        except Broken as broken:
            self.end(broken)

    def end(self, broken: Broken) -> None:
        """End the simulation by what is broken; the first counts."""
        self.broken = self.broken or broken
        self.on_broken()

    async def ask(self, host: str, what: str, do: Callable[[], Any], *, doubles: str) -> Any:
        """Have something done by the store, and return what it says.

        Args:
            do: does it, and tells the rules.
            doubles: `never`, `at once` (before the answer is heard), or `late`: whether it may be delivered twice.

        Raises StoreError: if no answer is heard.
        """
        if self.is_over:
            raise StoreError("it is all over")
        heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        until, now = self.cut_until.get(host, 0.0), _now()
        if until > now:
            self._cut(what, do, heard, until - now)
        elif self.is_flaky and self.chance.random() < 0.08:
            self._cut(what, do, heard, 0.0)
        else:
            trip = self.trip_s(host)
            again = self.is_flaky and doubles != "never" and self.chance.random() < 0.2
            if again and doubles == "at once":
                _later(trip / 2, partial(self._deliver, f"{what}, the first of two", do, None))
            _later(trip, partial(self._deliver, what, do, heard, self.trip_s(host)))
            if again and doubles == "late":
                self._late(self.chance.uniform(0.1, LATE_S), f"{what}, once more", do)
        return await heard

    def _cut(self, what: str, do: Callable[[], Any], heard: asyncio.Future[Any], left_s: float) -> None:
        """Decide what becomes of a message while its host is cut off for so long."""
        fate = self.chance.choice(("refused", "lost", "late", "unheard", "hangs"))
        if fate == "refused":
            _later(0.01, partial(_tell, heard, StoreError("the store is away")))
            return
        self.story.say("the network", f"{fate}: {what}")
        if fate == "hangs":  # and is heard of when the network is there again
            self._late(left_s + self.chance.uniform(0.01, 1.0), what, do, heard)
            return
        _later(GIVES_UP_S, partial(_tell, heard, StoreError("the store was not heard of")))
        if fate == "late":
            self._late(left_s + self.chance.uniform(0.1, LATE_S), f"{what}, late", do)
        if fate == "unheard":
            _later(0.01, partial(self._deliver, f"{what}, unheard", do, None))

    def _late(self, in_s: float, what: str, do: Callable[[], Any], heard: asyncio.Future[Any] | None = None) -> None:
        self.quiet_at = max(self.quiet_at, _now() + in_s)
        _later(in_s, partial(self._deliver, what, do, heard))

    def _deliver(
        self, what: str, do: Callable[[], Any], heard: asyncio.Future[Any] | None, back_s: float = 0.01
    ) -> None:
        """Have it done, and send back what came of it."""
        if self.is_over:
            return
        try:
            came = do()
        except StoreError as error:
            came = error
        except Broken as broken:
            self.story.say("the store", what)
            self.end(broken)
            return
        if not what.partition(" ")[2].startswith(("beats", "looks")):
            self.story.say("the store", what if not isinstance(came, StoreError) else f"{what}: {came}")
        if heard is not None:
            _later(back_s, partial(_tell, heard, came))


class Client:
    """A store as one process of a host has it, over the network.

    Args:
        drives: the digests of the machines that are driven there.
    """

    def __init__(self, network: Network, store: Store, process: Process, host: str, drives: frozenset[str]) -> None:
        self._network, self._store, self._process, self._host = network, store, process, host
        self._rules, self._drives = network.rules, drives

    @property
    def lease_s(self) -> float | None:
        """As of the store."""
        return self._store.lease_s

    async def append(self, run_id: str, start: int, inputs: Sequence[Input], head: Head, **options: Any) -> None:
        """Append."""

        def do() -> None:
            at_once(lambda: self._store.append(run_id, start, inputs, head, **options))
            is_queued = options.get("is_queued", False)
            epoch = options["epoch"]
            self._rules.appended(self._me, run_id, start, inputs, head, epoch=epoch, is_queued=is_queued)

        ends = " and ends it" if head.status == "finished" else ""
        kinds = ", ".join(type(event).__name__ for event in inputs)
        await self._ask(f"appends {kinds} to {run_id}{ends}", do, doubles="late")

    async def load(self, run_id: str) -> tuple[Input, ...]:
        """Load."""
        came: tuple[Input, ...] = await self._ask(
            f"loads {run_id}", lambda: at_once(lambda: self._store.load(run_id)), doubles="never"
        )
        return came

    async def claim(self, run_id: str) -> Claim | None:
        """Claim."""

        def do() -> Claim | None:
            try:
                claim: Claim | None = at_once(lambda: self._store.claim(run_id))
            except LeaseHeld:
                self._rules.held(self._me, run_id)
                raise
            if claim is not None and claim.head.status != "finished":
                self._rules.claimed(self._me, run_id, claim.epoch, drives=self._drives)
            return claim

        came: Claim | None = await self._ask(f"claims {run_id}", do, doubles="at once")
        return came

    async def claimable(self, digests: Collection[str], **options: Any) -> Sequence[Listed]:
        """Look for runs."""

        def do() -> Sequence[Listed]:
            found: Sequence[Listed] = at_once(lambda: self._store.claimable(digests, **options))
            self._rules.looked(self._me, digests, options["limit"], found)
            return found

        come: Sequence[Listed] = await self._ask("looks for runs", do, doubles="never")
        return come

    async def release(self, run_id: str, *, epoch: int, **options: Any) -> News | None:
        """Release."""

        def do() -> News | None:
            news: News | None = at_once(lambda: self._store.release(run_id, epoch=epoch, **options))
            if news is None:
                self._rules.released(self._me, run_id, epoch)
            return news

        kept_by: News | None = await self._ask(f"lets go of {run_id}", do, doubles="late")
        return kept_by

    async def beat(self) -> tuple[News, ...]:
        """Beat."""

        def do() -> tuple[News, ...]:
            come: tuple[News, ...] = at_once(self._store.beat)
            self._rules.beaten(self._me)
            return come

        news: tuple[News, ...] = await self._ask("beats", do, doubles="late")
        return news

    async def post(self, run_id: str, question: str, id: str, answer: Any, *, who: str | None = None) -> str:
        """Post."""

        def do() -> str:
            counts: str = at_once(lambda: self._store.post(run_id, question, id, answer, who=who))
            self._rules.posted(run_id, counts)
            return counts

        first: str = await self._ask(f"answers {run_id} by {id}", do, doubles="late")
        return first

    async def refuse(self, run_id: str, question: str, id: str, *, epoch: int) -> None:
        """Refuse an answer."""

        def do() -> None:
            at_once(lambda: self._store.refuse(run_id, question, id, epoch=epoch))
            self._rules.refused(run_id, id)

        await self._ask(f"refuses {id}", do, doubles="never")

    async def ask_cancel(self, run_id: str, *, who: str | None = None) -> bool:
        """Ask for a cancellation."""

        def do() -> bool:
            if is_known := bool(at_once(lambda: self._store.ask_cancel(run_id, who=who))):
                self._rules.asked_to_cancel(run_id)
            return is_known

        return bool(await self._ask(f"asks to cancel {run_id}", do, doubles="late"))

    async def charge(self, account: str, amount: Amount) -> None:
        """Charge."""
        await self._ask("charges", lambda: at_once(lambda: self._store.charge(account, amount)), doubles="never")

    async def taken(self, account: str) -> Amount:
        """Return what is taken."""
        came: Amount = await self._ask(
            "asks what is taken", lambda: at_once(lambda: self._store.taken(account)), doubles="never"
        )
        return came

    async def list(self, **options: Any) -> Sequence[Listed]:
        """List runs."""
        rows: Sequence[Listed] = await self._ask(
            "looks at a list", lambda: at_once(lambda: self._store.list(**options)), doubles="never"
        )
        return rows

    async def prune(self, *, ended_before: float) -> int:
        """Forget runs."""
        count: int = await self._ask(
            "prunes", lambda: at_once(lambda: self._store.prune(ended_before=ended_before)), doubles="never"
        )
        return count

    @property
    def _me(self) -> str:
        return self._process.name

    async def _ask(self, what: str, do: Callable[[], Any], *, doubles: str) -> Any:
        return await self._network.ask(self._host, f"{self._me} {what}", do, doubles=doubles)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _later(in_s: float, what: Callable[[], object]) -> None:
    """Do something later, in the world: whatever becomes of the process that this runs in."""
    asyncio.get_running_loop().call_later(in_s, what, context=Variables())


def _tell(heard: asyncio.Future[Any], came: Any) -> None:
    if heard.done():
        return
    if isinstance(came, BaseException):
        heard.set_exception(came)
    else:
        heard.set_result(came)
