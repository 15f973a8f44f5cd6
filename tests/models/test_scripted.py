"""The scripted model says its lines, counts bytes as tokens, and keeps its caps."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.amounts import FREE, Usage
from fsm_orch.errors import CallFailed
from fsm_orch.messages import Message
from fsm_orch.models.base import Request, Response
from fsm_orch.models.scripted import ScriptedModel


def request(text: str = "hello", *, cap: int = 100) -> Request:
    """Ask one thing."""
    return Request(messages=(Message(role="user", content=text),), max_output_tokens=cap)


async def test_lines_in_order() -> None:
    """Each request gets the next line, and is remembered."""
    model = ScriptedModel(["one", "two"])
    first, second = request("a"), request("b")

    assert ["one", "two"] == [(await model.complete(first)).text, (await model.complete(second)).text]
    assert [first, second] == model.requests


async def test_mapping_is_json() -> None:
    """A mapping is said as JSON."""
    said = await ScriptedModel([{"handoff": "to_billing"}]).complete(request())

    assert {"handoff": "to_billing"} == json.loads(said.text)


async def test_response_is_given_as_it_is() -> None:
    """A response is passed on untouched, true or not."""
    lie = Response(text="x", usage=None, finish="refusal")

    assert lie is await ScriptedModel([lie]).complete(request())


@pytest.mark.parametrize("line", [RuntimeError("boom"), lambda _request: RuntimeError("boom")])
async def test_exception_is_raised(line: Any) -> None:
    """An exception is raised, be it the line or what a function gave."""
    with pytest.raises(RuntimeError, match="boom"):
        await ScriptedModel([line]).complete(request())


async def test_function_sees_the_request() -> None:
    """A function answers the request that it is given."""
    model = ScriptedModel([lambda asked: asked.messages[0].content.upper()])

    assert (await model.complete(request("hello"))).text == "HELLO"


async def test_end_of_script() -> None:
    """After the last line each call fails, and provably cost nothing."""
    model = ScriptedModel(["one"])
    await model.complete(request())
    for times in (2, 3):
        said = f"script_ended: the script has 1 reply, and the model was asked {times} times"
        with pytest.raises(CallFailed, match=f"^{said}$") as caught:
            await model.complete(request())

        assert caught.value.unsent


@given(asked=st.text(), said=st.text(), cap=st.integers(1, 50))
async def test_true_usage(asked: str, said: str, cap: int) -> None:
    """Usage is the bytes of input and output; output never passes the cap, and what was cut off says so."""
    model = ScriptedModel([said])
    response = await model.complete(request(asked, cap=cap))
    size = len(said.encode())

    assert Usage(requests=1, input_tokens=len(asked.encode()), output_tokens=min(size, cap)) == response.usage
    assert ("stop" if size <= cap else "length") == response.finish
    assert said.startswith(response.text)
    assert (response.text == said) == (size <= cap)


@given(text=st.text())
async def test_count_is_exact(text: str) -> None:
    """The bound is the bytes of the input."""

    assert len(text.encode()) == await ScriptedModel([]).count(request(text))


async def test_delay() -> None:
    """A delay is waited for before the line is said."""
    start = time.perf_counter()
    await ScriptedModel(["one"], delay_s=0.01).complete(request())

    assert time.perf_counter() - start >= 0.009


def test_name_and_price() -> None:
    """It has the name and the price that it was given, and is free by default."""

    assert ("scripted:script", FREE) == (ScriptedModel([]).name, ScriptedModel([]).price)
    assert ("x:y", None) == (ScriptedModel([], name="x:y").name, ScriptedModel([], price=None).price)
