"""Stores agree: whatever two workers do, in any order, a database and the store in memory answer the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any

import pytest
from conformance.stores.stores import STORES, Opening
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from msgspec.structs import asdict

from fsm_orch.amounts import Amount
from fsm_orch.errors import StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import Head, Hold, MemoryStore, News, Origin, PaidResponse, Renames, Store
from fsm_orch.store.values import RELEASED, Rebound

RUNS = st.sampled_from("ab")
WHO = st.integers(0, 2)
"""Two workers that are alive, and one whose lease is over."""
EPOCHS = st.integers(1, 3)
DIGESTS = st.sampled_from(["", "d"])
"""Runs that do not begin with `Started` have none."""
HEADS = st.builds(
    Head,
    st.just("s"),
    st.sampled_from(["running", "running", "waiting", "finished"]),
    st.integers(0, 2),
    st.integers(0, 9),
    st.none() | st.integers(0, 9).map(float),
)
RESPONSES = st.lists(st.builds(PaidResponse, *map(st.sampled_from, ("kl", "xy", "mn"))), max_size=2)
AMOUNTS = st.builds(Amount, st.integers(0, 10**30), st.integers(0, 3))
MOST = st.none() | st.integers(0, 10**30)
HOLDS = st.lists(
    st.builds(Hold, st.sampled_from("uv"), takes=AMOUNTS, gives=AMOUNTS, most_tokens=MOST),
    max_size=2,
)


def agreement(opening: Opening) -> type[RuleBasedStateMachine]:
    """Return a machine that does the same to a store and to the one in memory."""

    class Agreement(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.loop = asyncio.Runner()
            self.opened = opening()
            worker = self.loop.run(self.opened.__aenter__())
            memory = MemoryStore()
            leases = (600.0, 600.0, 0.0)
            self.stores: list[tuple[Store, Store]] = [
                (worker(lease_s=lease_s), memory.beside(lease_s=lease_s)) for lease_s in leases
            ]
            for who in range(3):
                self.both(who, lambda store: store.beat())

        def both(self, who: int, does: Callable[[Store], Awaitable[Any]]) -> None:
            """Do the same to both, and hold what comes of it against each other; owners have their own names."""

            async def came(store: Store) -> Any:
                try:
                    return await does(store)
                except StoreError as error:
                    return type(error)

            real, model = [self.loop.run(came(store)) for store in self.stores[who]]
            assert plain(real) == plain(model)

        @rule(who=WHO, run=RUNS, start=st.integers(0, 3), count=st.integers(0, 2), head=HEADS, epoch=EPOCHS,
              responses=RESPONSES, holds=HOLDS)  # fmt: skip
        def append(self, who: int, run: str, start: int, count: int, head: Head, epoch: int, **options: Any) -> None:
            new = [inputs.Answered(ask=1, id=str(place), at=float(place)) for place in range(start, start + count)]
            self.both(who, lambda store: store.append(run, start, new, head, epoch=epoch, **options))

        @rule(who=WHO, run=RUNS, epoch=EPOCHS, head=HEADS, digest=DIGESTS, holds=HOLDS, thread=st.none() | st.just("t"))
        def queue(
            self, who: int, run: str, epoch: int, head: Head, digest: str, thread: str | None, **options: Any
        ) -> None:
            first = [inputs.Started(run_id=run, context={}, digest=digest, thread_id=thread)]
            self.both(who, lambda store: store.append(run, 0, first, head, epoch=epoch, is_queued=True, **options))

        @rule(who=WHO, run=RUNS, parent=st.sampled_from("ab"), count=st.integers(1, 3), head=HEADS)
        def fork(self, who: int, run: str, parent: str, count: int, head: Head) -> None:
            events = [inputs.Answered(ask=1, id=str(place), at=float(place)) for place in range(count)]
            self.both(who, lambda store: store.fork(run, Origin(parent, count), events, head))

        @rule(who=WHO, digests=st.sets(DIGESTS), before=st.integers(0, 10).map(float), limit=st.integers(1, 3))
        def claimable(self, who: int, digests: set[str], before: float, limit: int) -> None:
            self.both(who, lambda store: store.claimable(digests, expired_before=before, limit=limit))

        @rule(who=WHO, run=RUNS)
        def claim(self, who: int, run: str) -> None:
            self.both(who, lambda store: store.claim(run))

        @rule(who=WHO, run=RUNS, epoch=EPOCHS, is_open=st.booleans(), unless_news=st.booleans())
        def release(self, who: int, run: str, epoch: int, **options: bool) -> None:
            self.both(who, lambda store: store.release(run, epoch=epoch, **options))

        @rule(who=WHO, run=RUNS, question=st.sampled_from("qp"), id=st.sampled_from("123"), epoch=EPOCHS)
        def refuse(self, who: int, run: str, question: str, id: str, epoch: int) -> None:
            self.both(who, lambda store: store.refuse(run, question, id, epoch=epoch))

        @rule(
            who=WHO,
            run=RUNS,
            question=st.sampled_from("qp"),
            id=st.sampled_from("123"),
            answer=st.none() | st.text(),
        )
        def post(self, who: int, run: str, question: str, id: str, answer: Any) -> None:
            self.both(who, lambda store: store.post(run, question, id, answer, who=id))

        @rule(who=WHO, run=RUNS, was=DIGESTS, digest=DIGESTS, count=st.integers(0, 3),
              states=st.sampled_from([{}, {"s": "t"}]))  # fmt: skip
        def rebind(self, who: int, run: str, was: str, digest: str, count: int, states: dict[str, str]) -> None:
            to = Rebound(was=was, digest=digest, inputs=count, renames=Renames(states=states))
            self.both(who, lambda store: store.rebind(run, to))

        @rule(who=WHO, run=RUNS, by=st.sampled_from([None, "ann", "bob"]))
        def ask_cancel(self, who: int, run: str, by: str | None) -> None:
            self.both(who, lambda store: store.ask_cancel(run, who=by))

        @rule(who=WHO)
        def beat(self, who: int) -> None:
            async def told(store: Store) -> list[News]:
                return sorted(await store.beat(), key=lambda news: news.run_id)  # in whatever order

            self.both(who, told)

        @rule(account=st.sampled_from("uv"), amount=AMOUNTS)
        def charge(self, account: str, amount: Amount) -> None:
            self.both(0, lambda store: store.charge(account, amount))

        @rule(status=st.none() | st.sampled_from(["running", "waiting", "finished"]), before=st.none() | st.just(5.0),
              after=st.none() | RUNS, run=st.none() | RUNS)  # fmt: skip
        def page(self, status: Any, before: float | None, after: str | None, run: str | None) -> None:
            self.both(0, lambda store: store.list(status=status, expired_before=before, after=after, run_id=run))

        @rule(who=WHO, before=st.sampled_from([0.0, inf]))
        def prune(self, who: int, before: float) -> None:
            self.both(who, lambda store: store.prune(ended_before=before))

        @invariant()
        def everything_is_the_same(self) -> None:
            for name in "ab":
                self.both(0, lambda store, name=name: store.load(name))  # type: ignore[misc]
            for name in "uv":
                self.both(0, lambda store, name=name: store.taken(name))  # type: ignore[misc]

        def teardown(self) -> None:
            self.loop.run(self.opened.__aexit__(None, None, None))
            self.loop.close()

    return Agreement


OWN = {
    "owner": bool,
    "taken_from": lambda name: name if name == RELEASED else bool(name),
    "began_at": lambda _: None,
    "stored_at": lambda _: None,
    "at": lambda _: None,
}
"""What two stores name by their own names and clocks, and what of it they share."""


def plain(value: Any) -> Any:
    """Return what a store answered, without what is its own."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if hasattr(value, "__struct_fields__"):
        return {name: OWN.get(name, plain)(held) for name, held in asdict(value).items()}
    return value


def _settings(examples: int, steps: int) -> settings:
    # Not shrunk: a story is played against a server, and hundreds of them take minutes.
    phases = [Phase.reuse, Phase.generate]
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None, phases=phases)


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_stores_agree(name: str) -> None:
    """A database does what the store in memory does."""
    run_state_machine_as_test(agreement(STORES[name]), settings=_settings(25, 25))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_stores_agree_for_long(name: str) -> None:
    """So it does in many longer stories."""
    run_state_machine_as_test(agreement(STORES[name]), settings=_settings(50, 50))
