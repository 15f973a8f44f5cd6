"""The world of the five programs, the same for all libraries. Its lines do not count."""

from __future__ import annotations

import asyncio
import re

DECLINED = "We cannot pay it back."
SORRY = "No seat is left."
ORDERS = {1041: 4_900, 1042: 12_900}
SEATS = {"Lisbon": "TP 571", "Oslo": "SK 2652"}  # no seat to Rome is left
ROOMS = {"Lisbon": "Pensao Luz", "Oslo": "Hotel Nord", "Rome": "Albergo Sole"}
PAID: dict[str, int] = {}
"""What was paid back, by key."""


def order_in(query: str) -> int | None:
    """Return the order that a query names, None if there is no such order."""
    named = [int(number) for number in re.findall(r"\d{4}", query)]
    return next((number for number in named if number in ORDERS), None)


def pay_back(order: int, key: str) -> str:
    """Pay once for each key, and return the answer."""
    PAID.setdefault(key, ORDERS[order])
    return f"{ORDERS[order]} cents of order {order} are on their way."


async def news_of(topic: str) -> str:
    """Return what is in the news."""
    await asyncio.sleep(0.05)
    return f"news of {topic}"


async def papers_of(topic: str) -> str:
    """Return what is in the papers."""
    await asyncio.sleep(0.05)
    return f"papers on {topic}"


async def books_of(topic: str) -> str:
    """Return what is in books."""
    await asyncio.sleep(0.05)
    return f"books on {topic}"


async def status_of(order: int) -> str:
    """Return where an order is."""
    await asyncio.sleep(0.05)
    return f"order {order} is shipped"


async def stock_of(item: str) -> int:
    """Return how many of an item are left."""
    await asyncio.sleep(0.05)
    return len(item)
