"""The shop: it answers from rows, asks a model only where words do not decide, and cannot run in circles."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.walked import path

from fsm_orch import CallFailed, Runner, RunResult, ScriptedModel, StartError
from fsm_orch.kernel import records
from machines.catalogue import Shop, open_catalogue, words
from machines.shop import Query, ShopFloor, deps

(DEFAULT_ANSWER,) = ShopFloor.human.sets.values()
ADVERSARIES = ("to_search", "to_inventory", "to_pricing", "to_human", "back", "answered", "", "router")
"""Handoffs that an adversarial router proposes; some are not on its menu, some do not exist."""


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with deps() as opened:
        yield opened


async def ask(shop: Shop, text: str, *script: str | Exception) -> tuple[RunResult[Query], ScriptedModel]:
    """Run one query with a router that proposes these handoffs, or raises, one a call."""
    model = ScriptedModel([{"handoff": line} if isinstance(line, str) else line for line in script])
    return await Runner(ShopFloor, model=model).run(Query(text=text), deps=shop), model


@pytest.mark.parametrize(
    ("text", "specialist", "answer"),
    [
        ("Do you have a red dress?", "search", "Red wrap dress (S, M) at $39.20; Red evening dress (M, L) at $129.00"),
        ("Show me boots", "search", "Brown leather boots (40, 42, 44) at $159.00; Black leather boots (38, 42) at $"),
        ("Which sizes are the slim blue jeans?", "inventory", "Blue slim jeans (4 in 30, 6 in 32, 3 in 34)."),
        ("Is the green summer dress in  stock?", "inventory", "Green summer dress (none)."),
        ("HOW MUCH IS A WRAP DRESS", "pricing", "Red wrap dress at $39.20 (20% off $49.00)."),
    ],
)
async def test_words_route_without_a_model(shop: Shop, text: str, specialist: str, answer: str) -> None:
    """Where the words decide, the specialist answers and no model is called."""
    result, model = await ask(shop, text)

    assert path(result) == ["triage", specialist, "answered"]
    assert answer in (result.context.answer or "")
    assert (result.landing, model.requests) == (None, [])


@pytest.mark.parametrize("text", ["a red dress", "do you have the red dress in stock?"])
async def test_the_model_decides_what_words_do_not(shop: Shop, text: str) -> None:
    """Where no words or too many words match, the router is asked once and its decision is taken."""
    result, model = await ask(shop, text, "to_inventory")

    assert path(result) == ["triage", "router", "inventory", "answered"]
    assert len(model.requests) == 1


async def test_what_is_not_about_the_shop_goes_to_a_human(shop: Shop) -> None:
    """The router may hand a query to a human, who brings the default answer."""
    result, _ = await ask(shop, "what is the weather like?", "to_human")

    assert result.state is ShopFloor.human
    assert (result.context.answer, result.landing) == (DEFAULT_ANSWER, None)


async def test_the_circle_of_the_story_is_bounded(shop: Shop) -> None:
    """A router that hands back and forth for ever is stopped at its last visit, and the run lands."""
    result, model = await ask(shop, "how much is a sofa?", *["to_inventory"] * 100)

    assert path(result) == ["triage", "pricing", "router", "inventory", "router", "inventory", "human"]
    assert result.landing is not None
    assert (result.landing.reason, len(model.requests)) == ("visits", 2)
    assert result.context.answer == DEFAULT_ANSWER


@pytest.mark.parametrize("hallucinated", ["to_billing", "back", "answered", "TO_SEARCH"])
async def test_hallucinated_handoffs_are_never_executed(shop: Shop, hallucinated: str) -> None:
    """A handoff that the router does not have is refused and repaired; a second one takes its failure edge."""
    repaired, _ = await ask(shop, "a red dress", hallucinated, "to_pricing")
    given_up, _ = await ask(shop, "a red dress", hallucinated, hallucinated)

    assert path(repaired) == ["triage", "router", "pricing", "answered"]
    assert path(given_up) == ["triage", "router", "search", "answered"]
    assert [r.reason for r in given_up.records if isinstance(r, records.Refused)] == ["unknown_handoff"] * 2


async def test_without_the_model_the_words_are_searched(shop: Shop) -> None:
    """A model that cannot be reached costs the customer nothing but the choice of a specialist."""
    result, _ = await ask(shop, "a red dress", CallFailed("connection", unsent=True))

    assert path(result) == ["triage", "router", "search", "answered"]
    assert result.charged_tokens == 0


@pytest.mark.parametrize("text", ["", " \n", "?", "ß" * 10])
async def test_a_text_that_says_nothing_ends_with_a_human(shop: Shop, text: str) -> None:
    """An empty text is a query like any other."""
    result, _ = await ask(shop, text, "to_search")

    assert path(result) == ["triage", "router", "search", "human"]
    assert result.context.answer == DEFAULT_ANSWER


async def test_a_text_that_is_not_unicode_does_not_start(shop: Shop) -> None:
    """Half a surrogate pair is no text that a journal could hold, which is said before anything is spent."""
    with pytest.raises(StartError, match="this Query cannot be journaled"):
        await ask(shop, "\ud800", "to_search")


async def test_a_very_long_text_is_not_sent(shop: Shop) -> None:
    """What is above the router's cap is denied before it is sent, and the words are searched instead."""
    nothing, model = await ask(shop, "blah " * 200_000, "to_human")
    something, _ = await ask(shop, "blah " * 200_000 + "red dress", "to_human")

    assert path(nothing) == ["triage", "router", "search", "human"]
    assert path(something) == ["triage", "router", "search", "answered"]
    assert (nothing.charged_tokens, model.requests) == (0, [])


@pytest.mark.parametrize(
    "text",
    [
        "show me dresses'; DROP TABLE product; --",
        "show me dresses\"]') OR 1=1 UNION SELECT name, 0, 0, name, 9 FROM sqlite_master --",
        "show me dresses \x00 %_*?",
    ],
)
async def test_sql_in_a_text_is_only_words(shop: Shop, text: str) -> None:
    """A text is a parameter of the query and never a part of it."""
    result, _ = await ask(shop, text)
    plain, _ = await ask(shop, "show me dresses")

    assert result.context.answer == plain.context.answer is not None


QUOTED = re.compile(r"(?:^|; |: )([A-Z][a-z]+(?: [a-z]+)+)(?= \(| at \$)")
PHRASES = [
    "red",
    "Blue",
    "leather",
    "dresses",
    "jacket",
    "shoes",
    "sofa",
    "how much",
    "in stock",
    "do you have",
    "';--",
]
TEXTS = st.lists(st.sampled_from(PHRASES) | st.text(max_size=8), max_size=9).map(" ".join)


@given(TEXTS, st.lists(st.sampled_from(ADVERSARIES), max_size=4))
@example("do you have jackets, boots, coats, dresses and jeans?", [])
@example("how much", ["to_inventory", "to_pricing"])
def test_every_answer_quotes_the_catalogue(shop: Shop, text: str, script: list[str]) -> None:
    """Whatever is asked and whatever the router says: products and prices are rows, or the answer is the default."""
    catalogue = open_catalogue()
    rows = catalogue.execute("SELECT name, cents, cents * (100 - percent_off) / 100 FROM product").fetchall()
    catalogue.close()

    result, _ = asyncio.run(ask(shop, text, *script))
    answer = result.context.answer or ""

    assert {price.replace(".", "") for price in re.findall(r"\$([\d.]*\d)", answer)} <= {
        str(cents) for _, *prices in rows for cents in prices
    }
    assert set(QUOTED.findall(answer)) <= {name for name, *_ in rows}
    assert (answer == DEFAULT_ANSWER) == (result.state is ShopFloor.human) == (not QUOTED.findall(answer))


@given(st.lists(st.sampled_from(ADVERSARIES), min_size=4, max_size=4))
def test_no_router_passes_a_limit(shop: Shop, script: list[str]) -> None:
    """Whatever a router replies: 2 visits, 4 calls, 6 hops, and no transition that was not declared."""
    result, model = asyncio.run(ask(shop, "how much is a sofa?", *script))
    declared = {(source, handoff.name, handoff.target.name) for source, handoff in ShopFloor.definition.edges}
    visits = Counter(r.stamp.state for r in result.records if isinstance(r, records.VisitStarted))

    assert {tuple(hop) for hop in result.path if hop.handoff is not None} <= declared
    assert (result.path[-1].target, result.context.answer) == ("human", DEFAULT_ANSWER)
    assert visits["router"] <= 2
    assert len(model.requests) <= 4
    assert len(result.path) <= 6


async def test_runs_share_a_shop(shop: Shop) -> None:
    """A thousand runs at once read the same catalogue."""
    runner = Runner(ShopFloor, model=ScriptedModel([]))
    results = await asyncio.gather(*(runner.run(Query(text="show me a scarf"), deps=shop) for _ in range(1_000)))

    assert {result.context.answer for result in results} == {"We sell: Red wool scarf (one-size) at $25.00."}


def test_the_shop_is_closed_after_use() -> None:
    """What `deps` opens, it closes."""
    with deps() as opened:
        pass

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened.find("a red dress")


async def test_the_router_sees_the_query_and_nothing_else(shop: Shop) -> None:
    """What the model is sent is the menu and the text."""
    _, model = await ask(shop, "a red dress", "to_human")

    (request,) = model.requests
    assert [message.role for message in request.messages] == ["system", "user"]
    assert request.messages[1].content == '{"text":"a red dress"}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Red Dresses!", {"red", "dress"}),
        ("shoes and jeans", {"shoe", "and", "jean"}),
        ("glass watches", {"glass", "watch"}),
    ],
)
def test_words_are_in_the_singular(text: str, expected: set[str]) -> None:
    """A question and the catalogue are read by the same rule, so that plurals meet."""
    assert words(text) == expected


def test_every_product_is_found_by_its_name(shop: Shop) -> None:
    """Asked by its full name, a product is the one found."""
    catalogue = open_catalogue()
    names = [name for (name,) in catalogue.execute("SELECT name FROM product")]
    catalogue.close()

    assert len(names) >= 30
    assert [[name] for name in names] == [[product.name for product in shop.find(name)] for name in names]
