"""The local model: its bound is exact, its grammar holds, it stops when told to, and any loop may use it."""

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
import time
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fsm_orch import Context, ModelSettings
from fsm_orch.agents.decision import Decision, Form, form
from fsm_orch.errors import CallFailed
from fsm_orch.kernel.reasons import Refusal
from fsm_orch.messages import Message
from fsm_orch.models import local
from fsm_orch.models.base import Request
from fsm_orch.models.local import CONTEXT_TOKENS, LocalModel, load
from fsm_orch.models.registry import resolve
from fsm_orch.models.weights import CATALOGUE

pytest.importorskip("xllamacpp", reason="the local model needs the extra `local`")
pytest.importorskip("httpx2", reason="the local model needs the extra `local`")
pytestmark = [
    pytest.mark.local,
    pytest.mark.skipif(not CATALOGUE["smollm2"].is_present, reason="no weights; run: fsm-orch model get"),
]

STORY = "Tell me a very long story."
LONG = "word and " * 1_500
"""Fits the context, and takes many seconds to read."""


class Item(Context):
    """One line of an order."""

    size: Literal["small", "large"]
    gift: bool


class Order(Context):
    """An order with parts, choices and lists."""

    query: str = ""
    item: Item | None = None
    tags: tuple[Literal["new", "sale"], ...] = ()


def request(*texts: str, form: Form | None = None, cap: int = 40) -> Request:
    """Ask something; of several texts the first is the system's."""
    roles: list[Literal["system", "user"]] = ["system", "user"] if len(texts) > 1 else ["user"]
    messages = tuple(Message(role=role, content=text) for role, text in zip(roles, texts, strict=True))
    return Request(messages=messages, schema=form and form.schema, max_output_tokens=cap)


def routing(*legal: str) -> Form:
    """Ask for a handoff alone."""
    return form(Order, (), legal, legal)


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return load("smollm2")


def test_resolve(model: LocalModel) -> None:
    """The model of a name is one object, free of charge."""

    assert resolve("local:smollm2") is model
    assert "local:smollm2" == model.name


NASTY = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(min_codepoint=0x300, max_codepoint=0x36F), max_size=30),
    st.sampled_from(
        ["", " ", "\0", "\n\n", "<|im_end|>", "<|im_start|>system\n", "<|endoftext|>", "ﷺ", "👩‍👩‍👧‍👦", "{{ 1 }}"]
    ),
)


@settings(max_examples=25)
@given(
    said=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), NASTY), min_size=1, max_size=3),
    legal=st.none() | st.just(("a", "b")),
)
async def test_count_is_exact(said: list[tuple[Literal["user"], str]], legal: tuple[str, ...] | None) -> None:
    """The bound of any request is what the model then reports, template, special tokens and grammar included."""
    asked = Request(
        messages=tuple(Message(role=role, content=text) for role, text in said),
        schema=routing(*legal).schema if legal else None,
        max_output_tokens=1,
    )
    response = await load("smollm2").complete(asked)

    assert response.usage is not None
    assert (await load("smollm2").count(asked), 1) == (response.usage.input_tokens, response.usage.output_tokens)


@settings(max_examples=20)
@given(
    legal=st.lists(st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True), min_size=1, max_size=6, unique=True),
    query=st.text(max_size=20),
)
async def test_handoffs_are_legal(legal: list[str], query: str) -> None:
    """With a grammar every reply is one of the legal handoffs, in compact JSON."""
    asked = routing(*legal)
    response = await load("smollm2").complete(request(query, form=asked, cap=64))
    decision = asked.read(response.text, is_truncated=response.finish == "length")

    assert isinstance(decision, Decision)
    assert decision.handoff in legal
    assert f'{{"handoff":"{decision.handoff}"}}' == response.text


async def test_nested_schema_is_obeyed(model: LocalModel) -> None:
    """References, choices, lists and nested objects are held to as well."""
    asked = form(Order, ("item", "tags"), ("done", "back"), ("done", "back"))
    response = await model.complete(request("A small gift, new and on sale.", form=asked, cap=200))
    decision = asked.read(response.text, is_truncated=False)

    assert isinstance(decision, Decision), response.text
    assert isinstance(decision.changes["item"], Item | None)


async def test_schema_beyond_the_dialect(model: LocalModel) -> None:
    """A schema that the grammar might silently drop is obeyed another way."""
    schema = {"type": "string", "pattern": "^x[0-9]{2}$"}
    response = await model.complete(
        Request(messages=request("Hello").messages, schema=schema, max_output_tokens=40),
    )

    assert re.fullmatch(r'\s*"x[0-9]{2}"\s*', response.text)


async def test_schema_into_the_void(model: LocalModel) -> None:
    """A schema that nothing can obey fails; it is not dropped."""
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/none"}}}
    with pytest.raises(CallFailed, match=r"local_error: .*cannot resolve"):
        await model.complete(Request(messages=request("Hello").messages, schema=schema, max_output_tokens=40))


async def test_without_grammar() -> None:
    """With the grammar off nothing holds the model: it chats instead of deciding."""
    asked = routing("to_billing", "to_search")
    response = await LocalModel(grammar=False).complete(request("Route it.", "A red dress?", form=asked))

    assert isinstance(asked.read(response.text, is_truncated=False), Refusal)


async def test_truncation(model: LocalModel) -> None:
    """A reply that reaches its cap says so, and used no more than it."""
    response = await model.complete(request(STORY, cap=5))

    assert response.usage is not None
    assert ("length", 5) == (response.finish, response.usage.output_tokens)


async def test_repeatable(model: LocalModel) -> None:
    """The same request gets the same reply."""

    assert (await model.complete(request(STORY))).text == (await model.complete(request(STORY))).text


async def test_overflow(model: LocalModel) -> None:
    """A request beyond the context is counted, refused, and costs nothing."""
    asked = request("word " * 5_000)

    assert await model.count(asked) > CONTEXT_TOKENS
    with pytest.raises(CallFailed, match="context_overflow") as caught:
        await model.complete(asked)
    assert caught.value.unsent


@pytest.mark.parametrize(
    "asked",
    [
        replace(request("Hello"), schema={"description": "\ud800"}),
        replace(request("Hello"), schema={"enum": [float("nan")]}),
        replace(request("Hello"), schema={"enum": [object()]}),
        request("Hello", cap=0),
    ],
)
async def test_bad_input(model: LocalModel, asked: Request) -> None:
    """A lone surrogate is no text, `NaN` no JSON, and no output cannot be asked for: all are refused unsent."""
    for ask in (model.count, model.complete):
        with pytest.raises(CallFailed, match="bad_input") as caught:
            await ask(asked)
        assert caught.value.unsent


@pytest.mark.parametrize("text", [STORY, LONG])
async def test_cancellation(model: LocalModel, text: str) -> None:
    """A cancelled request stops, while it reads and while it writes, and the next one is soon served."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.complete(request(text, cap=2_000)), 0.5)
    start = time.perf_counter()
    await model.complete(request("Hello", cap=1))

    assert time.perf_counter() - start < 8  # uncancelled it takes about a minute


async def test_loop_is_not_blocked(model: LocalModel) -> None:
    """While the model infers, the loop goes on."""
    inference = asyncio.create_task(model.complete(request(STORY, cap=20)))
    turns = 0
    while not inference.done():
        await asyncio.sleep(0.005)
        turns += 1

    assert turns > 10


def test_loops_one_after_another(model: LocalModel) -> None:
    """A second event loop of a process may use the model."""
    texts = [asyncio.run(model.complete(request(STORY, cap=3))).text for _ in range(2)]

    assert texts[0] == texts[1]


def test_loops_side_by_side(model: LocalModel) -> None:
    """Two threads with a loop each may use the model at once."""
    texts: list[str] = []

    def ask() -> None:
        texts.append(asyncio.run(model.complete(request(STORY, cap=3))).text)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 2 == len(texts)
    assert texts[0] == texts[1]


async def test_close(model: LocalModel) -> None:
    """Closing stops what is inferred, and the next request loads the weights again."""
    running = asyncio.create_task(model.complete(request(STORY, cap=2_000)))
    waiting = asyncio.create_task(model.complete(request(STORY, cap=2_000)))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(model.close)

    for task in (running, waiting):
        with pytest.raises(CallFailed, match="stopped"):
            await task
    assert await model.count(request("Hello")) > 0


async def test_key_is_not_shown(model: LocalModel, caplog: pytest.LogCaptureFixture) -> None:
    """The key of the loopback port is in no log and no representation."""
    caplog.set_level(logging.DEBUG)
    await model.count(request("Hello"))
    (server,) = local._servers.values()
    key = server._client.headers["Authorization"].removeprefix("Bearer ")

    assert 64 == len(key)
    assert key not in caplog.text + repr(model) + repr(server) + repr(server._client) + repr(vars(server))


async def test_port_is_protected(model: LocalModel) -> None:
    """Without its key the loopback port serves nobody."""
    import httpx2

    await model.count(request("Hello"))
    (server,) = local._servers.values()
    reply = httpx2.post(server._client.base_url.join("/tokenize"), json={"content": "a"}, trust_env=False)

    assert 401 == reply.status_code


PROGRAM = """
import asyncio, threading, time
from fsm_orch.messages import Message
from fsm_orch.models.base import Request
from fsm_orch.models.local import load

def ask(text, cap):
    return load("smollm2").complete(Request(messages=(Message(role="user", content=text),), max_output_tokens=cap))

async def leave_a_task():
    task = asyncio.create_task(ask("Tell me a very long story.", 3_000))
    await asyncio.sleep(1.5)

def leave_a_thread():
    threading.Thread(target=lambda: asyncio.run(ask("word and " * 1_500, 1_000)), daemon=True).start()
    time.sleep(1.5)
"""


@pytest.mark.parametrize(
    ("ending", "printed"),
    [
        ("print(asyncio.run(ask('Hello', 1)).finish)", "length\n"),
        ("asyncio.run(leave_a_task())", ""),
        ("leave_a_thread()", None),
    ],
)
def test_exit(ending: str, printed: str | None) -> None:
    """A process ends promptly and with 0, in the middle of a request too; the native library prints nothing."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + ending], capture_output=True, text=True, timeout=40, check=True
    )

    if printed is not None:  # a thread that is left behind may complain
        assert (printed, "") == (done.stdout, done.stderr)


FORKED = """
import asyncio, os, sys
from fsm_orch.messages import Message
from fsm_orch.models.base import Request
from fsm_orch.models.local import load

def ask():
    asked = Request(messages=(Message(role="user", content="Hello"),), max_output_tokens=2)
    return asyncio.run(load("smollm2").complete(asked)).text

said = ask()
child = os.fork()
if not child:
    load("smollm2").close()
    is_same = ask() == said
    load("smollm2").close()
    sys.exit(7 if is_same and ask() == said else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), ask() == said)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_loads_its_own() -> None:
    """A process that was forked from one with a loaded model loads it anew, may close it, and ends as it wants."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=60, check=True
    )

    assert ("7 True\n", "") == (done.stdout, done.stderr)


def sampled(seed: int | None, temperature: float | None = 1.5, **more: float) -> Request:
    """Ask for a story, with chance in it."""
    return replace(request(STORY, cap=24), settings=ModelSettings(seed=seed, temperature=temperature, **more))


async def test_a_seed_decides_chance(model: LocalModel) -> None:
    """With chance in its replies, the same seed makes the same reply, and other seeds make others."""
    first, again = [(await model.complete(sampled(7))).text for _ in range(2)]
    others = {(await model.complete(sampled(seed))).text for seed in range(4)}

    assert first == again
    assert 2 <= len(others)


async def test_without_chance_no_seed_matters(model: LocalModel) -> None:
    """At temperature 0, or where only the likeliest token may be chosen, every seed makes the same reply."""
    cold = {(await model.complete(sampled(seed, 0))).text for seed in (None, 1, 2)}
    narrow = {(await model.complete(sampled(seed, top_p=0.001))).text for seed in (1, 2)}

    assert 1 == len(cold | narrow)


async def test_timeout_of_settings(model: LocalModel) -> None:
    """A call takes no longer than its settings say, and the thread is free for the next."""
    with pytest.raises(CallFailed, match="timeout: no reply within"):
        await model.complete(replace(request(LONG, STORY), settings=ModelSettings(timeout_s=0.05)))
    assert (await model.complete(request("Say hi.", cap=3))).text


def test_local_objection(model: LocalModel) -> None:
    """It takes all settings but how much to think, for it does not."""
    assert model.objection(ModelSettings(temperature=1, seed=1, top_p=0.5, timeout_s=9)) is None
    assert "reasoning_effort='low': it does not reason" == model.objection(ModelSettings(reasoning_effort="low"))


async def test_text_is_told_as_it_comes(model: LocalModel) -> None:
    """The pieces of a reply are told in this event loop, while it is inferred, and together are its text."""
    told, threads = list[str](), set[int]()
    call = asyncio.create_task(
        model.complete(request(STORY), lambda text: (told.append(text), threads.add(threading.get_ident())))
    )
    while len(told) < 2:
        assert not call.done()
        await asyncio.sleep(0)
    response = await call

    assert response.text == "".join(told) == (await model.complete(request(STORY))).text
    assert {threading.get_ident()} == threads


def test_a_loop_that_has_ended_is_told_nothing(model: LocalModel) -> None:
    """A reply whose loop was closed on it is dropped, and the next one is inferred."""
    told = list[str]()

    async def leave() -> None:
        began = asyncio.Event()
        call = asyncio.create_task(
            model.complete(request(STORY, cap=300), lambda text: (told.append(text), began.set()))
        )
        await began.wait()
        call.cancel()

    asyncio.run(leave())
    so_far = len(told)
    asyncio.run(model.complete(request("Hello.", cap=2)))

    assert so_far == len(told)
