"""Tools: what can be one, what a function is called with, and what becomes of its result."""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field
from support.shop import Shorten, Text, Ticket, order_status, refund

from fsm_orch import Context, Final, Machine, State, Tool, Visit
from fsm_orch.agents.shortened import LEAST_CHARS, as_text, shortened
from fsm_orch.errors import ToolFailed
from fsm_orch.kernel.requests import RunPart, UseTool


class Size(BaseModel):
    """A size."""

    width: int
    height: int


def untyped(order) -> str:  # type: ignore[no-untyped-def]
    """Look it up."""
    return ""


def endless(*orders: int) -> str:
    """Look it up."""
    return ""


def open_ended(**orders: int) -> str:
    """Look it up."""
    return ""


def by_place(order: int, /) -> str:
    """Look it up."""
    return ""


def speechless(order: int) -> str:
    return ""


def silent(order: int):  # type: ignore[no-untyped-def]
    """Look it up."""


def anything(order: Any) -> str:
    """Look it up."""
    return ""


def mapping(orders: dict[str, int]) -> str:
    """Look it up."""
    return ""


def of_a_visit(visit: Visit[Any]) -> str:
    """Look it up."""
    return ""


def called_back(order: int) -> Callable[[], int]:
    """Look it up."""
    return lambda: order


def yields(order: int) -> Iterator[int]:
    """Look it up."""
    yield order


async def streams(order: int) -> AsyncIterator[int]:
    """Look it up."""
    yield order


def unknown(order: Nowhere) -> str:  # type: ignore[name-defined]  # noqa: F821
    """Look it up."""
    return ""


class Shop:
    def status(self, order: int) -> str:
        """Look it up."""
        return ""


@pytest.mark.parametrize(
    ("work", "why"),
    [
        (untyped, "untyped cannot be a tool: parameter 'order' has no type"),
        (endless, r"\*orders: '?int'? is not given by name"),
        (open_ended, r"\*\*orders: '?int'? is not given by name"),
        (by_place, "order: 'int' is not given by name"),
        (speechless, "it has no docstring"),
        (silent, "it does not say what it returns"),
        (anything, "cannot be asked for parameter 'order', which holds values of any kind"),
        (mapping, "cannot be asked for parameter 'orders', which holds objects with any keys"),
        (
            of_a_visit,
            r"asked for parameter 'visit' \(\w+\): it fills in values of JSON, and of the run a tool is given "
            "`key` and `deps` alone",
        ),
        (called_back, "what it returns has no JSON schema"),
        (yields, "it yields"),
        (streams, "it yields"),
        (unknown, "its annotations cannot be read"),
        (lambda order: order, "it has no name of its own"),
        (Shop().status, "a tool is a function or the class of a machine, not the function status"),
        (Shop, "a tool is a function or the class of a machine, not the class Shop"),
        ("status", "a tool is a function or the class of a machine, not a str"),
        (print, "a tool is a function or the class of a machine, not the function print"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(work: Any, why: str) -> None:
    """The error says what is in the way, when the class is built and not when a model asks."""
    with pytest.raises(TypeError, match=why):
        Tool(work)


def test_all_that_is_in_the_way_is_said_at_once() -> None:
    """A function with several mistakes is mended in one go."""
    with pytest.raises(TypeError, match=r"docstring.*parameter 'one' has no type.*does not say what it returns"):
        Tool(_wrong_all_over)


def _wrong_all_over(one, two: int):  # type: ignore[no-untyped-def]
    pass


class Undescribed(Machine[Text]):
    work = State(print, initial=True)
    done, failed = Final(), Final(fallback=True)
    flow = work >> done


@pytest.mark.parametrize(
    ("work", "options", "why"),
    [
        (Undescribed, {}, "Undescribed cannot be a tool: it has no docstring"),
        (Shorten, {"approval": True}, "which has its own time and attempts"),
        (Shorten, {"timeout_s": 1}, "which has its own time and attempts"),
        (order_status, {"most": 2}, "most= is of a machine"),
        (refund, {"thread": True}, "refund is async, so it needs no thread"),
        (order_status, {"choices": {"orders": Ticket.numbers}}, "no parameter 'orders': did you mean 'order'"),
        (order_status, {"choices": {"order": Ticket.query}}, "Ticket.query is no tuple of items"),
        (order_status, {"choices": {"order": (Ticket.numbers, Ticket.query)}}, "takes one field for 'order'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(work: Any, options: dict[str, Any], why: str) -> None:
    """Nothing that was asked for is dropped in silence."""
    with pytest.raises(TypeError, match=why):
        Tool(work, **options)


@pytest.mark.parametrize("options", [{"most_chars": 19}, {"attempts": 0}, {"most": 0}, {"timeout_s": 0.0}])
def test_a_number_out_of_range_is_refused(options: dict[str, Any]) -> None:
    """No tool has less than one try, no time, or no room for a result."""
    with pytest.raises(ValueError, match="order_status: most_chars= is 20 or more"):
        Tool(order_status, **options)


class Named(Context):
    """Choices that do not fit."""

    names: tuple[str, ...] = ()
    sizes: tuple[date, ...] = ()


def sized(size: Size) -> str:
    """Return what it is called."""
    return f"{size.width} x {size.height}"


def test_choices_of_another_type_are_refused() -> None:
    """A field of texts is no choice of numbers, and one of objects is no choice at all."""
    with pytest.raises(TypeError, match="holds str, which 'order' of order_status does not take"):
        Tool(order_status, choices={"order": Named.names})
    with pytest.raises(TypeError, match="holds date, which 'size' of sized does not take"):
        Tool(sized, choices={"size": Named.sizes})


SEEN = list[Any]()


def everything(
    copy: int,
    model_config: Literal["a", "b"],
    place: tuple[int, int],
    size: Size,
    when: date | None,
    text: Annotated[str, Field(min_length=2, description="what it says")] = "unused",
    *,
    key: str,
    deps: list[str],
) -> list[Any]:
    """Take whatever there is.

    All of it.
    """
    SEEN.append((copy, model_config, place, size, when, text, key, deps))
    return [copy, size]


def test_a_model_is_asked_for_what_the_signature_says() -> None:
    """Every parameter but `key` and `deps`, required, by its own name, and in the words of strict modes."""
    made = Tool(everything)

    assert list(made.arguments.schema["properties"]) == ["copy", "model_config", "place", "size", "when", "text"]
    assert made.arguments.schema["required"] == list(made.arguments.schema["properties"])
    assert made.arguments.schema["properties"]["copy"] == {"type": "integer"}
    assert made.arguments.schema["properties"]["text"]["description"] == "what it says (characters: at least 2)"
    assert made.arguments.has_places
    assert made.description == "Take whatever there is.\n\nAll of it."


def test_a_function_is_called_with_values_of_its_types() -> None:
    """What the journal holds as JSON is given as what the signature says, with the key and the dependencies."""
    SEEN.clear()
    made = Tool(everything)
    written = made.arguments.read(
        {
            "copy": 1,
            "model_config": "b",
            "place": [1, 2],
            "size": {"width": 1, "height": 2},
            "when": "2026-01-31",
            "text": "xy",
        }
    )
    result = asyncio.run(made.use(json.loads(json.dumps(written)), key="r:0:1", deps=["shop"]))

    assert SEEN == [(1, "b", (1, 2), Size(width=1, height=2), date(2026, 1, 31), "xy", "r:0:1", ["shop"])]
    assert result == [1, {"width": 1, "height": 2}]


def test_a_request_names_what_it_is_for() -> None:
    """A function is used, a machine is run."""
    assert Tool(order_status).request({"order": 1}) == UseTool(name="order_status", arguments={"order": 1})
    assert Tool(Shorten).request({"text": "x"}) == RunPart(part="Shorten", context={"text": "x"})


def lies(order: int) -> int:
    """Return a number."""
    return "secret"  # type: ignore[return-value]


def nearly(order: int) -> int:
    """Return what reads like a number."""
    return "12"  # type: ignore[return-value]


def short_of(order: int) -> Annotated[str, AfterValidator(lambda text: 1 / 0)]:
    """Return a text that a validator trips over."""
    return "secret"


@pytest.mark.parametrize("work", [lies, nearly, short_of])
def test_a_result_that_is_not_what_was_said_is_a_failure(work: Any) -> None:
    """Its kind is told, and not its value."""
    with pytest.raises(ToolFailed, match=r"^it returned a str, which is not what it says that it returns$"):
        asyncio.run(Tool(work).use({"order": 1}, key="k", deps=None))


def half(order: int) -> str:
    """Return half a character."""
    return "\ud800"


def no_number(order: int) -> float:
    """Return what is no number."""
    return [math.nan, math.inf, -math.inf][order]


def no_number_deep(order: int) -> dict[str, Any]:
    """Return what is no number, deep inside."""
    return {"mean": [no_number(order)]}


def endless(order: int) -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("work", [half, no_number, no_number_deep, endless])
def test_a_result_that_json_cannot_hold_is_a_failure(work: Any, order: int) -> None:
    """It is not told as something else: a mean that is no number is not null."""
    with pytest.raises(ToolFailed, match=r"^it returned a \w+, which JSON cannot hold$"):
        asyncio.run(Tool(work).use({"order": order}, key="k", deps=None))


TRIES = list[str]()


def stumbles(order: int, key: str) -> int:
    """Fail as often as it was told to."""
    TRIES.append(key)
    if len(TRIES) < order:
        raise OSError("down")
    return len(TRIES)


@pytest.mark.parametrize(("attempts", "fails", "is_well"), [(1, 1, True), (1, 2, False), (3, 3, True), (3, 4, False)])
def test_a_tool_is_tried_again_only_if_that_was_said(attempts: int, fails: int, is_well: bool) -> None:
    """Each try has the same key, and the last error is raised."""
    TRIES.clear()
    used = Tool(stumbles, attempts=attempts).use({"order": fails}, key="k", deps=None)
    if is_well:
        assert asyncio.run(used) == fails
    else:
        with pytest.raises(OSError, match="down"):
            asyncio.run(used)
    assert ["k"] * min(fails, attempts) == TRIES


def spoils(orders: list[int]) -> list[int]:
    """Change its arguments, and fail at first."""
    TRIES.append(str(orders))
    orders.append(99)
    if len(TRIES) < 3:
        raise OSError("down")
    return orders


def test_each_try_is_given_what_the_model_wrote() -> None:
    """What a try did to its arguments is not handed to the next one, and not to the journal."""
    TRIES.clear()
    arguments = {"orders": [1]}

    assert asyncio.run(Tool(spoils, attempts=3).use(arguments, key="k", deps=None)) == [1, 99]
    assert ["[1]"] * 3 == TRIES
    assert arguments == {"orders": [1]}


def where_it_runs(order: int) -> int:
    """Return the thread."""
    return threading.get_ident()


def test_a_tool_is_given_a_thread_only_if_that_was_said() -> None:
    """One that blocks does not hold the event loop."""
    here = threading.get_ident()

    assert asyncio.run(Tool(where_it_runs).use({"order": 1}, key="k", deps=None)) == here
    assert asyncio.run(Tool(where_it_runs, thread=True).use({"order": 1}, key="k", deps=None)) != here


def long(order: int) -> str:
    """Return a long text."""
    return "é" * order


def test_a_long_result_is_cut() -> None:
    """What the journal holds is no longer than what the model is shown."""
    result = asyncio.run(Tool(long, most_chars=50).use({"order": 900}, key="k", deps=None))

    assert result == "é" * 42 + " [...]"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(JSON, st.integers(LEAST_CHARS, 90))
def test_what_is_shortened_fits_and_loses_no_more_than_it_must(value: Any, most: int) -> None:
    """A value that fits stays; of any other as much of its start is kept as fits."""
    short = shortened(value, most)

    assert len(as_text(short)) <= most
    if len(as_text(value)) <= most:
        assert short == value
    else:
        whole = value if isinstance(value, str) else as_text(value)
        kept = short.removesuffix(" [...]")
        assert whole.startswith(kept)
        assert len(as_text(f"{whole[: len(kept) + 1]} [...]")) > most


def test_the_digest_names_what_a_tool_is() -> None:
    """Its function, its types, what the model is told, and no module of ours."""
    told = json.dumps(Tool(everything).canonical)

    assert "test_tool:everything" in told
    assert "All of it." in told
    assert "fsm_orch." not in told
