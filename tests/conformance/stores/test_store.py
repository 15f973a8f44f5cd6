"""What the port of stores promises, tried on every store: order, no gaps, no second writer's inputs, nothing lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from conformance.stores.stores import STORES, Opening
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.any_value import TEXTS, any_value
from support.desk import Support, Ticket

from fsm_orch import Runner, ScriptedModel
from fsm_orch.amounts import Amount
from fsm_orch.errors import LeaseHeld, LeaseLost, StoreError, TooLittleLeft
from fsm_orch.kernel import inputs
from fsm_orch.kernel.inputs import Input
from fsm_orch.store import Head, Hold, News, PaidResponse, Post, Store
from fsm_orch.store.values import RELEASED

HEAD = Head("a")
pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


@asynccontextmanager
async def one(opening: Opening) -> AsyncIterator[Store]:
    """Open an empty store as one worker."""
    async with opening() as worker:
        yield worker()


async def put(store: Store, run_id: str, start: int, new: Sequence[Input], head: Head = HEAD, **options: Any) -> None:
    """Append inputs under a head that hardly matters."""
    await store.append(run_id, start, new, head, **{"epoch": 1, **options})


def at(*seconds: float) -> list[Input]:
    """Return inputs that differ in their time alone."""
    return [inputs.Cancelled(at=float(s)) for s in seconds]


async def test_a_run_that_is_not_known_has_no_journal(opening: Opening) -> None:
    """What was never appended to is empty, and no error."""
    async with one(opening) as store:
        assert await store.load("a") == ()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.lists(st.integers(0, 1), max_size=4)), max_size=12)
)
def test_a_journal_only_grows_by_what_continues_it(opening: Opening, appends: list[tuple[str, int, list[int]]]) -> None:
    """Each append that agrees with what is kept leaves their union; any other is refused, and changes nothing."""

    async def play() -> None:
        kept: dict[str, list[Input]] = defaultdict(list)
        async with one(opening) as store:
            for run, start, seconds in appends:
                new, journal = at(*seconds), kept[run]
                overlap = journal[start : start + len(new)]
                if start <= len(journal) and overlap == new[: len(overlap)]:
                    await put(store, run, start, new)
                    journal += new[len(overlap) :]
                elif new:  # whether nothing leaves a gap is the store's to say
                    with pytest.raises(StoreError, match=repr(run)):
                        await put(store, run, start, new)
                for name in "abc":
                    assert await store.load(name) == tuple(kept[name])

    asyncio.run(play())


@settings(max_examples=50)
@given(run=TEXTS, journal=st.lists(any_value(Input), max_size=4))
def test_what_is_kept_is_what_was_written(opening: Opening, run: str, journal: list[Input]) -> None:
    """Every kind of input comes back as it was, whatever its fields hold and whatever its run is called."""

    first = journal[:1] if journal and isinstance(journal[0], inputs.Started) else []
    for name in (run, *(getattr(each, column) or "" for each in first for column in ("digest", "thread_id", "tenant"))):
        assume("\x00" not in name)

    async def play() -> None:
        async with one(opening) as store:
            await put(store, run, 0, journal)
            assert await store.load(run) == tuple(journal)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("start", "new"),
    [(0, at(9)), (1, at(9)), (0, at(1, 9, 3)), (1, at(9, 3)), (3, at(3)), (3, at(1, 2))],
    ids=["taken", "taken later", "taken in the middle", "taken at the end", "gap", "gap that repeats"],
)
async def test_what_does_not_continue_a_journal_is_refused(opening: Opening, start: int, new: list[Input]) -> None:
    """Other inputs than those that are kept, or inputs after a gap, are refused as a whole, and the run goes on."""
    async with one(opening) as store:
        await put(store, "a", 0, at(1, 2))

        with pytest.raises(StoreError, match="'a'"):
            await put(store, "a", start, new)
        await put(store, "a", 2, at(3))

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_refused_beginning_leaves_nothing_behind(opening: Opening) -> None:
    """A run whose first append was refused is not known, and can begin."""
    async with one(opening) as store:
        with pytest.raises(StoreError, match="'a'"):
            await put(store, "a", 1, at(1))

        assert await store.load("a") == ()
        await put(store, "a", 0, at(1))
        assert await store.load("a") == tuple(at(1))


async def test_saying_the_same_again_changes_nothing(opening: Opening) -> None:
    """A caller that was cancelled may repeat itself, and say more: what is kept is skipped."""
    async with one(opening) as store:
        await put(store, "a", 0, at(1, 2))
        await put(store, "a", 0, at(1, 2, 3))
        await put(store, "a", 1, at(2))
        await put(store, "a", 3, [])

        assert await store.load("a") == tuple(at(1, 2, 3))


async def test_a_journal_is_nobodys_to_change(opening: Opening) -> None:
    """What the caller does to its own list later does not reach the store."""
    async with one(opening) as store:
        mine = at(1, 2)
        await put(store, "a", 0, mine)
        mine.clear()

        assert await store.load("a") == tuple(at(1, 2))


@pytest.mark.parametrize("others", [at(1, 2), at(3, 4)], ids=["the same", "others"])
async def test_of_two_writers_at_once_one_is_kept(opening: Opening, others: Sequence[Input]) -> None:
    """Two appends at one place keep one journal: of two that differ one is refused, and none is mixed."""
    async with one(opening) as store:
        mine = at(1, 2)
        done = await asyncio.gather(put(store, "a", 0, mine), put(store, "a", 0, others), return_exceptions=True)

        assert await store.load("a") in (tuple(mine), tuple(others))
        assert [StoreError] * (mine != others) == [type(error) for error in done if error is not None]


async def test_an_append_that_was_cut_off_can_be_said_again(opening: Opening) -> None:
    """However far an append came before it was cancelled, the same one completes it."""
    async with one(opening) as store:
        for turns in range(4):
            run = f"r{turns}"
            task = asyncio.ensure_future(put(store, run, 0, at(1, 2, 3)))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

            await put(store, run, 0, at(1, 2, 3))
            assert await store.load(run) == tuple(at(1, 2, 3))


async def test_a_long_journal_is_kept_whole(opening: Opening) -> None:
    """Thousands of inputs in one append, and one more, are a journal like any other."""
    journal = at(*range(3_000))
    async with one(opening) as store:
        await put(store, "a", 0, journal)
        await put(store, "a", len(journal), at(-0.0))

        assert await store.load("a") == (*journal, *at(0))


async def test_a_run_is_replayed_from_what_is_kept(opening: Opening) -> None:
    """The journal of a run is the one of its result, and leads where the run went."""
    async with one(opening) as store:
        runner: Runner[Any, Any] = Runner(Support, model=ScriptedModel([{"handoff": "resolved"}]), store=store)
        live = await runner.run(Ticket(query="x"), run_id="r")

        assert await store.load("r") == live.journal
        assert runner.replay(await store.load("r")) == live


ACCOUNTS = st.sampled_from(["thread:a", "thread:b"])
AMOUNTS = st.builds(Amount, st.integers(0, 5), st.integers(0, 5))
MOST = st.none() | st.integers(0, 9)
HOLDS = st.builds(Hold, ACCOUNTS, takes=AMOUNTS, gives=AMOUNTS, most_tokens=MOST, most_cost=MOST)


def moved(taken: dict[str, tuple[int, int]], holds: Sequence[Hold]) -> dict[str, tuple[int, int]] | None:
    """Return what accounts come to, worked out by hand; None if a hold is to be refused."""
    after = dict(taken)
    for hold in holds:
        tokens, cost = after[hold.account]
        if hold.gives.tokens > tokens or hold.gives.cost > cost:
            return None
        tokens, cost = tokens - hold.gives.tokens + hold.takes.tokens, cost - hold.gives.cost + hold.takes.cost
        if hold.takes.tokens and hold.most_tokens is not None and tokens > hold.most_tokens:
            return None
        if hold.takes.cost and hold.most_cost is not None and cost > hold.most_cost:
            return None
        after[hold.account] = tokens, cost
    return after


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(ACCOUNTS, AMOUNTS)
        | st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(1, 2), st.lists(HOLDS, max_size=3)),
        max_size=12,
    )
)
def test_holds_move_with_what_is_stored_or_not_at_all(opening: Opening, done: list[tuple[Any, ...]]) -> None:
    """An append stores its inputs and moves all of its holds, or does neither; said again, it moves nothing."""

    async def play() -> None:
        taken, kept = {"thread:a": (0, 0), "thread:b": (0, 0)}, {"a": 0, "b": 0}
        async with one(opening) as store:
            for what in done:
                if isinstance(what[1], Amount):
                    await store.charge(*what)
                    tokens, cost = taken[what[0]]
                    taken[what[0]] = tokens + what[1].tokens, cost + what[1].cost
                else:
                    run, start, count, holds = what
                    after = moved(taken, holds)
                    is_new, fits = start + count > kept[run], start <= kept[run]
                    append = put(store, run, start, at(*range(start, start + count)), holds=holds)
                    if fits and is_new and after is not None:
                        await append
                        taken, kept[run] = after, start + count
                    elif fits and not is_new:
                        await append
                    else:
                        with pytest.raises(StoreError):
                            await append
                for account, (tokens, cost) in taken.items():
                    assert Amount(tokens, cost) == await store.taken(account)
                for run, count in kept.items():
                    assert tuple(at(*range(count))) == await store.load(run)

    asyncio.run(play())


async def test_too_little_left_is_told_apart(opening: Opening) -> None:
    """What an account has too little for is refused by name; to take nothing is not refused, even after an overrun."""
    async with one(opening) as store:
        await store.charge("thread:a", Amount(11))
        with pytest.raises(TooLittleLeft, match="'thread:a' has too little left"):
            await put(store, "a", 0, at(1), holds=[Hold("thread:a", Amount(1), most_tokens=10)])
        await put(store, "a", 0, at(1), holds=[Hold("thread:a", Amount(0, 3), most_tokens=10, most_cost=3)])

        assert Amount(11, 3) == await store.taken("thread:a")


async def test_of_two_that_take_the_last_at_once_one_is_refused(opening: Opening) -> None:
    """Two appends at once that together take too much: one is stored, the other is refused as a whole."""
    async with one(opening) as store:
        last = [Hold("thread:a", Amount(6), most_tokens=10)]
        done = await asyncio.gather(*(put(store, run, 0, at(1), holds=last) for run in "ab"), return_exceptions=True)

        assert [TooLittleLeft] == [type(error) for error in done if error is not None]
        assert 1 == len([run for run in "ab" if await store.load(run)])
        assert Amount(6) == await store.taken("thread:a")


ENDED = Head("end", "finished", 2, 7)


async def test_a_run_is_owned_by_the_worker_that_began_it(opening: Opening) -> None:
    """While it beats, nobody else claims the run; once it does not, or lets go, whoever comes first does."""
    async with opening() as worker:
        mine, dead, other = worker(), worker(lease_s=0), worker()
        for store, run in ((mine, "a"), (dead, "b"), (mine, "c")):
            await store.beat()
            await put(store, run, 0, at(1))
        with pytest.raises(LeaseHeld, match="run 'a' is driven by worker"):
            await other.claim("a")
        await mine.release("c", epoch=1)
        taken, free = await other.claim("b"), await other.claim("c")

        assert taken is not None
        assert free is not None
        assert (2, HEAD, True) == (taken.epoch, taken.head, taken.taken_from is not None)
        assert (2, HEAD, None) == (free.epoch, free.head, free.taken_from)
        assert None is await other.claim("d")


async def test_a_run_that_was_let_go_with_something_open_is_claimed_as_taken(opening: Opening) -> None:
    """At once, by anybody, and nobody owns it before; let go with nothing open it is free again."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1))
        await mine.release("a", epoch=1, is_open=True)
        (listed,) = await other.list()
        taken = await other.claim("a")
        await other.release("a", epoch=2)
        free = await mine.claim("a")

        assert taken is not None
        assert free is not None
        assert (None, 2, RELEASED) == (listed.owner, taken.epoch, taken.taken_from)
        assert (3, None) == (free.epoch, free.taken_from)


async def test_an_append_of_an_earlier_epoch_is_refused(opening: Opening) -> None:
    """Of its inputs nothing is stored, and of its holds nothing moves; the same words do not help."""
    async with opening() as worker:
        old, new = worker(lease_s=0), worker()
        await new.beat()
        await put(old, "a", 0, at(1))
        claim = await new.claim("a")
        assert claim is not None
        for words in (at(2), at(1)):
            with pytest.raises(StoreError, match="run 'a'"):
                await put(old, "a", len(words) - (words == at(1)), words, holds=[Hold("thread:a", Amount(1))])
        with pytest.raises(LeaseLost):
            await put(old, "a", 1, at(2))
        await old.release("a", epoch=1)
        await put(new, "a", 1, at(3), epoch=claim.epoch)

        assert tuple(at(1, 3)) == await new.load("a")
        assert Amount() == await new.taken("thread:a")
        with pytest.raises(LeaseHeld):
            await old.claim("a")


async def test_a_worker_claims_its_own_again_and_is_fenced_itself(opening: Opening) -> None:
    """A run that is resumed in the process that drove it has a new epoch too; what is released takes no append."""
    async with opening() as worker:
        store = worker()
        await put(store, "a", 0, at(1))
        claim = await store.claim("a")
        assert claim is not None
        with pytest.raises(LeaseLost):
            await put(store, "a", 1, at(2))
        await store.release("a", epoch=1)
        await put(store, "a", 1, at(2), epoch=claim.epoch)
        await store.release("a", epoch=claim.epoch)
        with pytest.raises(LeaseLost):
            await put(store, "a", 2, at(3), epoch=claim.epoch)


async def test_a_finished_run_is_claimed_by_nobody(opening: Opening) -> None:
    """Its head is given to whoever asks; its last append may be said again, and it is not released."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1), ENDED)
        await mine.release("a", epoch=1)
        claim = await other.claim("a")
        assert claim is not None
        await put(mine, "a", 0, at(1), ENDED)

        assert (1, ENDED, None) == (claim.epoch, claim.head, claim.taken_from)
        assert not await other.ask_cancel("a")
        with pytest.raises(StoreError, match="run 'a' takes no answer"):
            await other.post("a", "q", "1", "yes")


async def test_two_workers_that_begin_one_run_at_once_do_not_both_pass(opening: Opening) -> None:
    """Even with the same words and the same epoch: one of them is told that the run id is taken."""
    async with opening() as worker:
        stores = [worker() for _ in range(4)]
        done = await asyncio.gather(*(put(store, "a", 0, at(1, 2)) for store in stores), return_exceptions=True)

        assert [StoreError] * 3 == [type(error) for error in done if error is not None]
        assert tuple(at(1, 2)) == await stores[0].load("a")


async def test_of_workers_that_claim_at_once_one_wins(opening: Opening) -> None:
    """However many claim a dead worker's run at one moment, one owns it."""
    async with opening() as worker:
        await put(worker(lease_s=0), "a", 0, at(1))
        stores = [worker() for _ in range(4)]
        for store in stores:
            await store.beat()
        done = await asyncio.gather(*(store.claim("a") for store in stores), return_exceptions=True)

        assert [LeaseHeld] * 3 == [type(one) for one in done if isinstance(one, BaseException)]


async def test_of_two_answers_to_one_question_the_first_counts(opening: Opening) -> None:
    """The other is told which; the owner is told of it with each beat, until an append has folded it."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1))
        with pytest.raises(StoreError, match="run 'b' takes no answer"):
            await other.post("b", "q", "1", True)
        with pytest.raises(StoreError, match="an answer is JSON"):
            await other.post("a", "q", "1", {1, 2})
        ids = [await other.post("a", "q", id, {"n": [id]}, who="me") for id in ("1", "2", "1")]
        await other.post("a", "p", "3", None)
        first = await mine.beat()
        claim = await mine.claim("a")
        assert claim is not None
        await put(mine, "a", 1, [inputs.Answered(ask=1, id="1", at=0.0)], epoch=claim.epoch)

        assert ["1", "1", "1"] == ids
        assert (News("a", (Post("q", "1", {"n": ["1"]}, "me"), Post("p", "3", None))),) == first
        assert first[0] == claim.news
        assert (News("a", (Post("p", "3", None),)),) == await mine.beat()
        assert () == await other.beat()
        assert "1" == await other.post("a", "q", "4", "late")


async def test_an_answer_that_is_posted_after_one_of_its_id_is_news(opening: Opening) -> None:
    """An append folds what was posted before it; whoever drives the run sees what the other answer was to."""
    async with opening() as worker:
        store = worker()
        await store.beat()
        await put(store, "a", 0, [*at(1), inputs.Answered(ask=1, id="1", at=0.0)])
        await store.post("a", "q", "1", True)

        assert (News("a", (Post("q", "1", True),)),) == await store.beat()


async def test_a_cancellation_is_asked_of_the_owner(opening: Opening) -> None:
    """Whoever drives the run is told at its beat, and whoever claims it; an append does not forget it."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1))
        assert not await other.ask_cancel("b")
        assert await other.ask_cancel("a")
        assert (News("a", (), is_cancel_asked=True),) == await mine.beat()
        await put(mine, "a", 1, at(2))
        claim = await mine.claim("a")

        assert claim is not None
        assert claim.news.is_cancel_asked


async def test_responses_are_kept_until_the_next_hop(opening: Opening) -> None:
    """Whoever claims the run has those of the visit under way, in their order; of one key the first."""
    async with opening() as worker:
        store = worker()
        paid = [PaidResponse(f"r:0:1:{n}", "sha", str(n)) for n in (2, 1)]
        await put(store, "a", 0, at(1), responses=paid[:1])
        await put(store, "a", 1, at(2), responses=[*paid[1:], PaidResponse("r:0:1:2", "other", "x")])
        claim = await store.claim("a")
        assert claim is not None
        assert tuple(paid) == claim.responses
        again = [PaidResponse("r:1:1:1", "sha", "y")]
        await put(store, "a", 2, at(3), Head("b", hops=1), epoch=claim.epoch, responses=again)
        claim = await store.claim("a")
        assert claim is not None
        assert tuple(again) == claim.responses


async def test_runs_are_listed_newest_first_and_page_by_page(opening: Opening) -> None:
    """A page goes on where the one before ended, and each filter must hold."""
    async with opening() as worker:
        store = worker()
        for n in range(7):
            first = inputs.Started(run_id=f"r{n}", context={}, digest="d", thread_id=f"t{n % 2}", tenant=f"n{n % 3}")
            waits = Head("ask", "waiting", 1, 5, 10.0 * n) if n < 4 else Head("a")
            await put(store, f"r{n}", 0, [first], ENDED if n == 6 else waits)

        async def ids(**filters: Any) -> str:
            return "".join(row.run_id.removeprefix("r") for row in await store.list(**filters))

        assert ["6543210", "654", "321", "0", ""] == [
            *(await ids(), await ids(limit=3), await ids(limit=3, after="r4"), await ids(after="r1", limit=3)),
            await ids(after="nobody"),
        ]
        assert "6420" == await ids(thread_id="t0")
        assert "630" == await ids(tenant="n0", digest="d")
        assert ["3210", "54", "6"] == [await ids(status=one) for one in ("waiting", "running", "finished")]
        assert "10" == await ids(expired_before=20.0)
        assert "1" == await ids(expired_before=20.0, thread_id="t1", status="waiting", after="r5")
        row = (await store.list(limit=1))[0]
        assert (ENDED, "d", "t0", "n0", 1, 1, False) == (
            *(row.head, row.digest, row.thread_id, row.tenant, row.inputs, row.epoch, row.is_cancel_asked),
        )
        assert 0 < row.began_at <= row.stored_at


def test_a_store_is_used_from_several_loops_and_threads(opening: Opening) -> None:
    """Each thread has a loop of its own, and no journal loses an input."""

    async def open_and_use() -> None:
        async with one(opening) as store:

            def fill(name: str) -> None:
                async def filling() -> None:
                    for place in range(20):
                        await asyncio.gather(*(put(store, f"{name}{n}", place, at(place)) for n in range(5)))

                asyncio.run(filling())

            await asyncio.gather(*(asyncio.to_thread(fill, name) for name in "abc"))
            for name in "abc":
                for n in range(5):
                    assert tuple(at(*range(20))) == await store.load(f"{name}{n}")

    asyncio.run(open_and_use())
