"""A context with a field of every kind that a model may write, and the forms that ask for them."""

from __future__ import annotations

import datetime
import decimal
import enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fsm_orch.agents.decision import Decision, Form, form
from fsm_orch.define.context import Context
from fsm_orch.kernel.reasons import Refusal


class Mood(enum.Enum):
    CALM = "calm"
    WILD = "wild"


class Item(BaseModel):
    """A thing in a basket."""

    model_config = ConfigDict(frozen=True)
    name: Annotated[str, Field(min_length=1, max_length=20, description="what it is called")]
    count: int = 1
    default: str = "a field by the name of a keyword"


class Card(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["card"] = "card"
    const: int


class Cash(BaseModel):
    model_config = ConfigDict(frozen=True)
    kind: Literal["cash"] = "cash"
    coins: tuple[int, ...] = ()


class Basket(Context):
    query: str
    answer: str | None = None
    count: Annotated[int, Field(ge=0, le=99)] = 0
    price: Annotated[float, Field(gt=-1, allow_inf_nan=False)] = 0.0
    paid: bool = False
    mood: Mood = Mood.CALM
    choice: Literal["x", "y"] = "x"
    only: Literal["one"] = "one"
    number: Literal[1, 2] = 1
    items: tuple[Item, ...] = ()
    tags: frozenset[str] = frozenset()
    pay: Annotated[Card | Cash, Field(discriminator="kind")] = Cash()
    when: datetime.date | None = None
    cost: decimal.Decimal = decimal.Decimal(0)
    pattern: Annotated[str, Field(pattern="^[a-z]*$", description="lower case")] = ""
    nested: Item | None = None


WRITTEN = tuple(name for name in Basket.model_fields if name != "query")
PLAIN = form(Basket, ("answer", "count"), ("to_billing", "to_search", "done"), ("to_billing", "done"))
ALL = form(Basket, WRITTEN, ("to_billing", "done"), ("to_billing", "done"))
GOOD = '{"handoff": "done", "answer": "yes", "count": 2}'


def read(text: str, asked: Form = PLAIN, *, is_truncated: bool = False) -> Decision | Refusal:
    return asked.read(text, is_truncated=is_truncated)
