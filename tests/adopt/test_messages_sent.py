"""How many messages are seen in the code of an executor, and where that is any number."""

from functools import cache, singledispatch
from typing import Any

import pytest

from fsm_orch.adopt.messages import _Reading, sends_many


async def either(ctx: Any) -> None:
    if ctx.is_left:
        await ctx.send_message("left")
    else:
        await ctx.send_message("right")


async def returns_first(ctx: Any) -> None:
    if ctx.is_left:
        await ctx.send_message("left")
        return
    await ctx.send_message("right")


async def raises_first(ctx: Any) -> None:
    if ctx.is_left:
        await ctx.send_message("left")
        raise ValueError
    await ctx.send_message("right")


async def too_deep(ctx: Any) -> None:
    await deep_as_well(ctx)


async def deep_as_well(ctx: Any) -> None:
    await as_deep_as_is_seen(ctx)


async def as_deep_as_is_seen(ctx: Any) -> None:
    await by_another(ctx)


async def nothing(ctx: Any) -> None:
    await ctx.yield_output("text")


async def both(ctx: Any) -> None:
    await ctx.send_message("left")
    await ctx.send_message("right")


async def one_and_more(ctx: Any) -> None:
    if ctx.is_left:
        await ctx.send_message("left")
    await ctx.send_message("right")


async def else_and_more(ctx: Any) -> None:
    if ctx.is_left:
        await ctx.send_message("left")
        return
    else:  # noqa: RET505 -- as users write it
        await ctx.send_message("right")
    await ctx.send_message("more")


async def two_or_none(ctx: Any) -> None:
    if ctx.is_left:
        pass
    else:
        await ctx.send_message("right")
        await ctx.send_message("more")


async def asks_and_returns(ctx: Any) -> None:
    if await ctx.send_message("is it so"):
        await ctx.send_message("left")
        return


async def asks_and_goes_on(ctx: Any) -> None:
    if await ctx.send_message("is it so"):
        await ctx.send_message("left")


async def in_a_loop(ctx: Any) -> None:
    for each in ctx.all:
        await ctx.send_message(each)


async def in_a_list(ctx: Any) -> None:
    [await ctx.send_message(each) for each in ctx.all]


async def by_another(ctx: Any) -> None:
    await both(ctx)


renamed = both


async def by_another_name(ctx: Any) -> None:
    await renamed(ctx)


in_a_row = lambda ctx: (ctx.send_message("left"), ctx.send_message("right"))  # noqa: E731 -- as users write it


async def by_a_lambda(ctx: Any) -> None:
    in_a_row(ctx)


async def for_ever(ctx: Any) -> None:
    await ctx.send_message("once")
    await for_ever(ctx)


async def again(self: Any, ctx: Any) -> None:
    await ctx.send_message("once")
    await self.again(ctx)


async def by_itself(self: Any, ctx: Any) -> None:
    await self.deeper(ctx)
    await self.deeper(ctx)


class Hiding:
    async def handle(self, ctx: Any) -> None:
        await self.__deeper(ctx)

    async def __deeper(self, ctx: Any) -> None:
        await both(ctx)


@pytest.mark.parametrize("function", [either, returns_first, raises_first, too_deep, nothing, print])
def test_one_at_most_is_seen(function: Any) -> None:
    """Of two branches one is run; what has no source, or is too deep, sends nothing that is seen."""
    assert not sends_many({"handle": function})


@pytest.mark.parametrize(
    "function",
    [
        *(both, one_and_more, else_and_more, two_or_none, asks_and_returns, asks_and_goes_on, in_a_loop, in_a_list),
        *(
            in_a_row,
            by_a_lambda,
            by_another,
            by_another_name,
            as_deep_as_is_seen,
            for_ever,
            singledispatch(by_another),
            cache(by_another),
        ),
    ],
)
def test_several_are_seen(function: Any) -> None:
    """In a row, in a loop, or in a function that is called, be it itself; also behind a wrapper."""
    assert sends_many({"handle": function})


def test_methods_find_each_other() -> None:
    """A method that is called twice sends twice, and one that calls itself any number of times."""
    assert sends_many({"again": again})
    assert sends_many({"handle": by_itself, "deeper": either})
    assert not sends_many({"handle": by_itself, "deeper": nothing})


def test_methods_find_those_that_are_hidden() -> None:
    """Python keeps `__deeper` under a name with that of its class."""
    hidden = dict(vars(Hiding))

    assert sends_many({"handle": hidden["handle"], "_Hiding__deeper": hidden["_Hiding__deeper"]})
    assert 2 == _Reading(hidden).most(hidden["handle"], ())
