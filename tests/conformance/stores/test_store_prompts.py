"""Prompts, as every store keeps them: some of each run, for a while, and no longer than the run."""

from __future__ import annotations

from math import inf

import pytest
from conformance.stores.stores import STORES, Opening, one

from fsm_orch import Message, Usage
from fsm_orch.kernel.inputs import Started
from fsm_orch.messages import ToolCall
from fsm_orch.store import Head, KeptPrompt, Store
from fsm_orch.store.prompts import KeepsPrompts, Prompts

KEEPING = pytest.mark.parametrize(
    "opening", [opening for name, opening in STORES.items() if name != "not crashed"], ids=lambda each: each.__name__
)


def of(store: Store) -> Prompts:
    """Return the prompts of a store."""
    assert isinstance(store, KeepsPrompts)
    return store.prompts


def prompt(
    run_id: str = "r", at: float = 1.0, *, visit: int = 0, call: int = 1, path: tuple[int, ...] = ()
) -> KeptPrompt:
    """Return a prompt that says something in every field."""
    calls = (ToolCall(id="1", name="look", arguments='{"a": "\\u0000"}'),)
    return KeptPrompt(
        run_id=run_id,
        path=path,
        visit=visit,
        call=call,
        state="ask",
        model="a:b",
        at=at,
        messages=(
            Message(role="user", content="Grüße \x00 '; --"),
            Message(role="assistant", content="", tool_calls=calls),
        ),
        reply="{}",
        ended="stop",
        usage=Usage(requests=1, input_tokens=2),
    )


@KEEPING
async def test_a_prompt_comes_back_as_it_was(opening: Opening) -> None:
    """All that is kept of a run comes back, the oldest first, and nothing of another run."""
    told = [prompt(at=3.0, visit=1), prompt(at=2.0, path=(1, 12), call=7), prompt("other", at=1.0)]
    async with one(opening) as store:
        for each in told:
            await of(store).keep(each, most=10, since=0.0)

        assert (told[1], told[0]) == await of(store).of("r")
        assert (told[2],) == await of(store).of("other")
        assert () == await of(store).of("unknown")


@KEEPING
async def test_of_two_with_the_same_numbers_the_last_counts(opening: Opening) -> None:
    """A call is kept once, as a worker that was thought dead may tell of another under its numbers."""
    async with one(opening) as store:
        for at in (1.0, 2.0):
            await of(store).keep(prompt(at=at), most=10, since=0.0)

        assert (prompt(at=2.0),) == await of(store).of("r")


@KEEPING
async def test_what_was_kept_again_is_as_young_as_that(opening: Opening) -> None:
    """Of its run and of all it is the newest: others are forgotten before it."""
    async with one(opening) as store:
        for at, call in ((1.0, 1), (2.0, 2), (3.0, 1), (4.0, 3)):
            await of(store).keep(prompt(at=at, call=call), most=2, since=0.0)
        assert [1, 3] == [each.call for each in await of(store).of("r")]

        for at, run_id in ((5.0, "a"), (6.0, "b"), (7.0, "a")):
            await of(store).keep(prompt(run_id, at=at), most=2, since=0.0)
        await of(store).keep(prompt("c", at=8.0), most=2, since=7.0)

        assert [1, 0, 1] == [len(await of(store).of(run_id)) for run_id in ("a", "b", "c")]


@pytest.mark.parametrize("others_at", [0.5, 9.0])
@KEEPING
async def test_the_newest_of_a_run_are_kept(opening: Opening, others_at: float) -> None:
    """As many as are wanted of each run, whatever is kept of others."""
    async with one(opening) as store:
        for number in range(1, 6):
            await of(store).keep(prompt(at=float(number), call=number), most=3, since=0.0)
            await of(store).keep(prompt(f"other{number}", at=others_at), most=3, since=0.0)

        assert [3, 4, 5] == [each.call for each in await of(store).of("r")]
        assert 1 == len(await of(store).of("other1"))


@KEEPING
async def test_what_is_old_is_forgotten(opening: Opening) -> None:
    """What is kept next says how old anything may be, of whatever run."""
    async with one(opening) as store:
        await of(store).keep(prompt("old", at=1.0), most=3, since=0.0)
        await of(store).keep(prompt("young", at=5.0), most=3, since=5.0)

        assert () == await of(store).of("old")
        assert 1 == len(await of(store).of("young"))


@KEEPING
async def test_prompts_are_pruned_with_their_run(opening: Opening) -> None:
    """A run that is forgotten takes its prompts along; one that has not ended keeps them."""
    async with one(opening) as store:
        for run_id, head in (("ended", Head("done", "finished")), ("open", Head("work"))):
            await store.append(run_id, 0, [Started(run_id=run_id, context={})], head, epoch=1)
            await of(store).keep(prompt(run_id), most=3, since=0.0)
        assert 1 == await store.prune(ended_before=inf)

        assert () == await of(store).of("ended")
        assert 1 == len(await of(store).of("open"))
