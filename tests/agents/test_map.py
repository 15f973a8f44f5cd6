"""Maps over a field: each item has a run, and their results stand in its order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.composed import Page, Report, ends, note, run

from fsm_orch import Context, Final, LLMAgent, Machine, Map, State, Visit
from fsm_orch.agents import Changes


def mapped(work: Any = None, **options: Any) -> Map:
    """Make a map over the addresses of a report."""
    work = work or State(note, reads=Page.url, writes=Page.note)
    return Map(work, over=Report.urls, item=Page.url, into=Report.notes, result=Page.note, **options)


@given(st.lists(st.text("ab", max_size=3), max_size=6))
async def test_a_map_collects_in_the_order_of_its_items(urls: list[str]) -> None:
    """Each item has one run, and the results stand in the order of the items; of nothing there are none."""
    result = await run(mapped(), urls=tuple(urls))

    assert (result.state.name, result.context.notes) == ("done", tuple(url.upper() for url in urls))
    assert len(ends(result)) == len(urls)


async def test_more_items_than_the_most_fail_by_both_numbers() -> None:
    """A map over more than it may runs nothing, and says how many there are and how many there may be."""
    result = await run(mapped(most=2), urls=("a", "b", "c"))

    assert (result.state.name, ends(result)) == ("lost", {})
    assert "maps over 3 items, and 2 is the most" in str(result.error)


async def test_one_failed_item_fails_the_map() -> None:
    """If one run fails the others are ended, before and after it, and nothing is collected: the error is its own."""

    async def slow(visit: Visit[Page]) -> Changes:
        await asyncio.sleep(0 if visit.context.url == "bad" else 30)
        return note(visit)

    result = await run(mapped(State(slow, reads=Page.url, writes=Page.note)), urls=("a", "bad", "c"))

    assert (result.state.name, result.context.notes) == ("lost", ())
    assert {1: "unneeded", 2: "finished", 3: "unneeded"} == ends(result)
    assert "'slow' was landed (failure) in 'failed'" in str(result.error)


async def test_a_map_runs_a_machine_or_a_model() -> None:
    """What runs for each item may be a machine, or a model, which is asked once for each."""

    class Read(Machine[Page]):
        """Read one address."""

        look = State(note, reads=Page.url, writes=Page.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    model = LLMAgent("Sum up.", reads=Page.url, writes=Page.note)
    assert (await run(mapped(Read), urls=("a",))).context.notes == ("A",)
    result = await run(mapped(model, most=2), {"note": "x"}, {"note": "y"}, urls=("a", "b"))
    assert set(result.context.notes) == {"x", "y"}


@pytest.mark.parametrize("most", [1, 3, 64])
def test_what_a_map_reserves_grows_with_its_most(most: int) -> None:
    """Entering a map reserves as many shares as it may run, and a visit may ask as often."""
    agent = mapped(LLMAgent("Sum up.", reads=Page.url, writes=Page.note), most=most)

    assert (agent.spec.asks, agent.spec.parts[0].most) == (most, most)
    assert agent.spec.parts[0].share.tokens == 4_608


async def test_a_child_is_given_more_than_its_item() -> None:
    """What a run requires besides its item is given by `give`, or by its name."""

    class Asked(Context):
        """An address and why."""

        url: str
        why: str
        topic: str
        note: str | None = None

    def tell(visit: Visit[Asked]) -> Changes:
        return {Asked.note: f"{visit.context.url} {visit.context.why} {visit.context.topic}"}

    class Tell(Machine[Asked]):
        """Tell all."""

        look = State(tell, reads=(Asked.url, Asked.why, Asked.topic), writes=Asked.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    agent = Map(
        Tell, over=Report.urls, item=Asked.url, into=Report.notes, result=Asked.note, give={Asked.why: Report.topic}
    )
    assert (await run(agent, urls=("a", "b"))).context.notes == ("a tea tea", "b tea tea")


@pytest.mark.parametrize("is_item_given", [False, True])
async def test_beside_its_item_a_child_may_be_given_all_of_them(is_item_given: bool) -> None:
    """The item alone differs from run to run, and nothing else is given in its place."""

    class Part(Context):
        """An address among others."""

        url: str
        others: tuple[str, ...]
        note: str | None = None

    def count(visit: Visit[Part]) -> Changes:
        return {Part.note: f"{visit.context.url} of {len(visit.context.others)}"}

    class Count(Machine[Part]):
        """Count the others."""

        look = State(count, reads=(Part.url, Part.others), writes=Part.note, initial=True)
        done, none = Final(), Final(fallback=True)
        flow = look >> done

    given = {**({Part.url: Report.topic} if is_item_given else {}), Part.others: Report.urls}
    agent = Map(Count, over=Report.urls, item=Part.url, into=Report.notes, result=Part.note, give=given)
    assert (await run(agent, urls=("a", "b"))).context.notes == ("a of 2", "b of 2")
