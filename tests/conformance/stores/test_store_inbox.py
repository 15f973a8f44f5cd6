"""The inbox of runs in stores: answers and cancellations that come for whoever drives a run."""

from __future__ import annotations

import pytest
from conformance.stores.appending import at, put
from conformance.stores.stores import STORES, Opening

from fsm_orch.errors import LeaseHeld, StoreError
from fsm_orch.kernel import inputs
from fsm_orch.store import News, Post

pytestmark = pytest.mark.parametrize("opening", STORES.values(), ids=STORES)


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


async def test_an_owner_lets_go_only_of_what_nothing_came_for(opening: Opening) -> None:
    """An answer or a cancellation that came first keeps the run, and is told, until it is folded or refused."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(0))
        await other.post("a", "q", "1", True)

        assert News("a", (Post("q", "1", True),)) == await mine.release("a", epoch=1, unless_news=True)
        with pytest.raises(LeaseHeld):
            await other.claim("a")
        assert None is await mine.release("a", epoch=2, unless_news=True)
        assert None is await other.release("a", epoch=1, unless_news=True)
        await put(mine, "a", 1, [inputs.Answered(ask=1, id="1", at=1.0)])
        await other.ask_cancel("a")
        assert News("a", (), is_cancel_asked=True) == await mine.release("a", epoch=1, unless_news=True)
        assert None is await mine.release("a", epoch=1)
        assert None is (await other.list())[0].owner


async def test_an_answer_that_is_refused_makes_room_for_another(opening: Opening) -> None:
    """Its owner alone takes it out, and not once it is folded."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(0))
        await other.post("a", "q", "1", "none of that form")
        for store, question, id, epoch in ((other, "q", "1", 1), (mine, "q", "1", 2), (mine, "q", "2", 1)):
            await store.refuse("a", question, id, epoch=epoch)
        assert "1" == await other.post("a", "q", "2", True)
        await mine.refuse("a", "q", "1", epoch=1)

        assert () == await mine.beat()
        assert "2" == await other.post("a", "q", "2", True)
        await put(mine, "a", 1, [inputs.Answered(ask=1, id="2", at=1.0)])
        await mine.refuse("a", "q", "2", epoch=1)
        assert "2" == await other.post("a", "q", "3", True)


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


async def test_the_first_who_says_who_cancels_is_kept(opening: Opening) -> None:
    """Whether a beat tells the owner, or a claim, or a release that is held back; nobody's wish takes no name away."""
    async with opening() as worker:
        mine, other = worker(), worker()
        await mine.beat()
        await put(mine, "a", 0, at(1))
        for who in (None, "ann", "bob", None):
            assert await other.ask_cancel("a", who=who)
        news = News("a", (), is_cancel_asked=True, cancelled_by="ann")

        assert (news,) == await mine.beat()
        assert news == await mine.release("a", epoch=1, unless_news=True)
        claim = await mine.claim("a")
        assert claim is not None
        assert news == claim.news
