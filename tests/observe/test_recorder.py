"""The recorder: prompts are kept beside the run, without secrets, within bounds, and at no risk to the run."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import (
    CallFailed,
    Context,
    Final,
    Given,
    LLMAgent,
    Machine,
    MemoryStore,
    Nested,
    Response,
    Runner,
    ScriptedModel,
    State,
)
from fsm_orch.kernel.records import CallReserved
from fsm_orch.messages import Message, ToolCall
from fsm_orch.models.base import Request
from fsm_orch.observe import Recorder
from fsm_orch.observe.prompted import Prompted
from fsm_orch.store import KeptPrompt
from fsm_orch.store.sql import SqlStore

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz"


class Note(Context):
    """What is written about."""

    text: str
    email: Given[str | None] = None
    answer: str | None = None


class Inner(Machine[Note]):
    """Asks a model inside."""

    think = State(LLMAgent("Think.", reads=Note.text, writes=Note.answer), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = think.to(done)


class Outer(Machine[Note]):
    """Asks a model, which may try again, and has another machine ask one."""

    first = State(LLMAgent("Choose.", reads=Note.text), initial=True)
    inside = State(Nested(Inner, writes=Note.answer))
    done = Final()
    human = Final(fallback=True)
    on = first.to(inside)
    end = inside.to(done)
    lost = inside.on_failure(done)


class Desk(Machine[Note]):
    """Asks a model, of a context with an address in it."""

    reply = State(LLMAgent("Reply.", reads=(Note.text, Note.email), writes=Note.answer), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = reply.to(done)


def kept_of(store: Any, run_id: str) -> tuple[KeptPrompt, ...]:
    return asyncio.run(store.prompts.of(run_id))  # type: ignore[no-any-return]


def texts(prompts: tuple[KeptPrompt, ...]) -> str:
    return "\n".join(f"{[said.content for said in each.messages]} {each.reply}" for each in prompts)


def desk(text: str, *script: Any, store: Any = None, email: str | None = None, redact: Any = (), **options: Any) -> str:
    """Run the desk with a recorder, and return what is kept as text."""
    store = MemoryStore() if store is None else store
    runner = Runner(Desk, model=ScriptedModel(script), store=store, redact=redact, on_prompt=Recorder(store, **options))
    result = runner.run_sync(Note(text=text, email=email), run_id="r")
    assert result.state is Desk.done
    return texts(kept_of(store, "r"))


async def test_every_request_is_kept_under_the_numbers_of_its_call() -> None:
    """Run, path, visit and call are those of the records; a request that failed is kept without a reply."""
    store = MemoryStore()
    model = ScriptedModel([CallFailed("busy", transient=True), {"handoff": "on"}, {"answer": "so"}], name="a:b")
    recorder = Recorder(store, wall_clock=iter(range(9)).__next__)
    result = await Runner(Outer, model=model, on_prompt=recorder).run(Note(text="Grüße"), run_id="r")
    await recorder.flush()
    kept = await store.prompts.of("r")

    calls = [record for record in result.records if isinstance(record, CallReserved)]
    assert [(r.stamp.path, r.call, r.model) for r in calls] == [(each.path, each.call, each.model) for each in kept]
    assert [((), 0, "first"), ((), 0, "first"), ((1,), 0, "think")] == [(e.path, e.visit, e.state) for e in kept]
    assert [None, '{"handoff": "on"}', '{"answer": "so"}'] == [each.reply for each in kept]
    assert ["", "stop", "stop"] == [each.ended for each in kept]
    assert [0, 1, 2] == [each.at for each in kept]
    assert [each.content for each in model.requests[1].messages] == [each.content for each in kept[1].messages]
    assert kept[1].usage is not None


def test_the_last_prompt_is_kept_although_the_loop_ends(tmp_path: Path) -> None:
    """A run on a loop of its own loses nothing by the end of that loop, with no store of its own to wait for."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    Runner(Desk, model=ScriptedModel([{"answer": "x"}]), on_prompt=Recorder(store)).run_sync(Note(text="t"), run_id="r")

    assert 1 == len(kept_of(store, "r"))
    store.close()


@pytest.mark.parametrize(
    "secret",
    [
        KEY,
        "sk-ant-api03-abcdefghijklmnop_qrstuvwx",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "xoxb-123456789012-abcdefghijkl",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
        "my own key of no shape",
    ],
)
def test_no_key_is_kept(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the usual shapes, and those in the environment, are replaced in what was asked and answered."""
    monkeypatch.setenv("ACME_API_KEY", "my own key of no shape")
    said = desk(f"before {secret} after", {"answer": secret})

    inner = secret.splitlines()[len(secret.splitlines()) // 2]
    assert inner not in said
    assert "before [redacted] after" in said
    assert '{"answer": "[redacted]"}' in said


@pytest.mark.parametrize(
    "text", ["Bearer abcdefghijkl", "postgresql://me:hunter22@host/db", "postgresql://me:p@hunter22@host/db"]
)
def test_what_stands_beside_a_secret_stays(text: str) -> None:
    """Of a header and a URL only the secret is replaced."""
    said = desk(text, {"answer": "x"})

    assert "hunter22" not in said
    assert "abcdefghijkl" not in said
    assert text.partition(" ")[0].partition("//")[0] in said


def test_a_secret_that_would_be_cut_in_two_leaves_no_half() -> None:
    """Secrets are replaced before a text is cut."""
    for most in range(1, 140):
        assert "abcdef" not in desk(f"x {KEY}", {"answer": "x"}, most_chars=most)


def test_long_texts_are_cut() -> None:
    """What is kept of a text is as long as said, and says what is missing."""
    said = desk("a" * 500, {"answer": "b" * 90}, most_chars=100)

    assert "a" * 101 not in said
    assert "… [" in said
    assert " more]" in said


def test_a_redacting_runner_has_nothing_kept_of_what_was_said() -> None:
    """Any text may tell of a redacted field, be it turned round: nothing of them is kept, and all numbers are."""
    store = MemoryStore()
    said = desk("of ann@b.example", {"answer": "elpmaxe.b@nna"}, store=store, email="ann@b.example", redact=Note.email)
    (kept,) = kept_of(store, "r")

    assert "" == said.replace("[redacted]", "").translate(str.maketrans("", "", "[]', "))
    assert ("reply", 1, "scripted:script", "stop") == (kept.state, kept.call, kept.model, kept.ended)


def test_a_function_says_what_is_kept() -> None:
    """It is asked for every text, of requests and replies."""
    said = desk_redacted(lambda text: text.replace("0664", "#"))

    assert "0664" not in said
    assert "call # 123" in said


def desk_redacted(redact: Any) -> str:
    store = MemoryStore()
    recorder = Recorder(store, redact=redact)
    runner = Runner(Desk, model=ScriptedModel([{"answer": "0664"}]), on_prompt=recorder)
    assert Desk.done is runner.run_sync(Note(text="call 0664 123"), run_id="r").state
    return texts(kept_of(store, "r"))


def raises(text: str) -> str:
    raise ValueError(text)


@pytest.mark.parametrize("redact", [raises, lambda text: text.encode(), lambda text: None])
def test_where_the_function_fails_nothing_is_kept(redact: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It raises, or returns no text: the texts are not kept, the run goes on, and the log says no word of them."""
    said = desk_redacted(redact)

    assert "0664" not in said + caplog.text
    assert "nothing of that text is kept" in caplog.text


class Broken:
    """Keeps nothing, in one way or another."""

    def __init__(self, error: BaseException, *, at_once: bool) -> None:
        self.prompts, self._error, self._at_once = self, error, at_once

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        if self._at_once:
            raise self._error
        future = asyncio.get_running_loop().create_future()
        future.set_exception(self._error)
        return future

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        return ()


@pytest.mark.parametrize("at_once", [True, False])
def test_a_recorder_that_fails_touches_no_run(at_once: bool, caplog: pytest.LogCaptureFixture) -> None:
    """What its store raises is logged by its kind."""
    store = Broken(OSError("disk of ann@b.example"), at_once=at_once)
    model = ScriptedModel([{"answer": "x"}], delay_s=0.01)
    result = Runner(Desk, model=model, on_prompt=Recorder(store), store=MemoryStore()).run_sync(Note(text="t"))

    assert result.state is Desk.done
    assert "OSError" in caplog.text
    assert "ann@b" not in caplog.text


class Away:
    """Keeps nothing yet."""

    def __init__(self) -> None:
        self.prompts, self.asked = self, list[KeptPrompt]()

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        self.asked.append(prompt)
        return asyncio.get_running_loop().create_future()

    async def of(self, run_id: str) -> tuple[KeptPrompt, ...]:
        return ()


async def test_a_store_that_is_away_holds_no_more_than_is_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes while too much is on its way is not kept; the log says so, and the run goes on."""
    monkeypatch.setattr("fsm_orch.observe.recorder._MOST_UNDER_WAY", 5_000)
    store = Away()
    runner = Runner(Desk, model=ScriptedModel([{"answer": "x"}] * 9), on_prompt=Recorder(store))
    ended = [await runner.run(Note(text="t" * 500)) for _ in range(9)]

    assert {Desk.done} == {each.state for each in ended}
    assert 1 < len(store.asked) < 5
    assert 9 - len(store.asked) == caplog.text.count("too many are on their way to the store")


def test_what_a_loop_has_left_is_held_no_longer() -> None:
    """Each run on a loop of its own leaves nothing behind in its recorder."""
    recorder = Recorder(Away())
    for _ in range(5):
        Runner(Desk, model=ScriptedModel([{"answer": "x"}]), on_prompt=recorder).run_sync(Note(text="t"))

    assert 1 == len(recorder._under_way)


def test_a_closed_store_touches_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The run ends as it would without a recorder."""
    caplog.set_level(logging.ERROR)
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    store.close()
    result = Runner(Desk, model=ScriptedModel([{"answer": "x"}]), on_prompt=Recorder(store)).run_sync(Note(text="t"))

    assert result.state is Desk.done
    assert "StoreError" in caplog.text


class Odd(ScriptedModel):
    """Answers with what no database can keep."""

    async def complete(self, *args: Any) -> Response:
        return Response(text='{"answer": "x"} \ud800', usage="much")  # type: ignore[arg-type]


def test_whatever_a_model_answers_is_kept_or_not_and_touches_nothing(tmp_path: Path) -> None:
    """Lone surrogates are replaced, and usage that is none is not kept."""
    store = SqlStore(f"sqlite:///{tmp_path}/runs.db")
    Runner(Desk, model=Odd([]), on_prompt=Recorder(store), retry=None).run_sync(Note(text="t"), run_id="r")
    kept = kept_of(store, "r")
    store.close()

    assert ['{"answer": "x"} ?', None] == [kept[0].reply, kept[0].usage]


def test_a_recorder_is_made_right_or_not_at_all() -> None:
    """The message says what is expected."""
    with pytest.raises(TypeError, match=r"takes a store that keeps prompts, not a str: Recorder\(SqlStore\(url\)\)"):
        Recorder("sqlite:///runs.db")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="takes a store that keeps prompts, not the class MemoryStore"):
        Recorder(MemoryStore)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="redact= of a Recorder takes a function of a text, not a str"):
        Recorder(MemoryStore(), redact="x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="keep_s= of a Recorder takes a number of more than 0, not 0"):
        Recorder(MemoryStore(), keep_s=0)
    with pytest.raises(TypeError, match="keep_s= of a Recorder takes a number of more than 0, not a str"):
        Recorder(MemoryStore(), keep_s="7")  # type: ignore[arg-type]
    for option in "most", "most_chars":
        with pytest.raises(TypeError, match=f"{option}= of a Recorder takes a whole number of 1 or more, not inf"):
            Recorder(MemoryStore(), **{option: float("inf")})  # type: ignore[arg-type]


def test_what_is_too_old_or_too_much_is_forgotten() -> None:
    """At the next prompt that is kept."""
    store, now = MemoryStore(), [0.0]
    recorder = Recorder(store, keep_s=10, most=1, wall_clock=lambda: now[0])
    for run_id in ("a", "b"):
        Runner(
            Desk, model=ScriptedModel([CallFailed("x", transient=True), {"answer": "x"}]), on_prompt=recorder
        ).run_sync(Note(text="t"), run_id=run_id)
        now[0] += 11

    assert () == kept_of(store, "a")
    assert [2] == [each.call for each in kept_of(store, "b")]


def test_what_a_store_in_memory_forgets_it_forgets_whole() -> None:
    """The prompts of the run that ended longest ago go with its journal."""
    store = MemoryStore(runs=1)
    runner = Runner(Desk, model=ScriptedModel([{"answer": "x"}] * 2), store=store, on_prompt=Recorder(store))
    for run_id in ("a", "b"):
        runner.run_sync(Note(text="t"), run_id=run_id)

    assert [0, 1] == [len(kept_of(store, run_id)) for run_id in ("a", "b")]
    assert ["b"] == [*store.prompts._by_run]


def told(*messages: Message, is_redacted: bool = False) -> Prompted:
    """Return what a recorder is told of a request."""
    request = Request(messages=messages, max_output_tokens=1, schema=None)
    return Prompted(request, None, run_id="r", state="s", call=1, is_redacted=is_redacted)


async def kept_by(prompted: Prompted, **options: Any) -> KeptPrompt:
    """Return what a recorder keeps of a request."""
    store = MemoryStore()
    recorder = Recorder(store, **options)
    recorder(prompted)
    await recorder.flush()
    (kept,) = await store.prompts.of("r")
    return kept


@pytest.mark.parametrize("field", ["id", "name", "arguments", "content"])
@pytest.mark.parametrize("is_redacted", [True, False])
async def test_no_part_of_a_message_is_kept_as_it_was_said(field: str, is_redacted: bool) -> None:
    """The use of a tool is text of a model's, too: its id, its name and its arguments."""
    texts = {"id": "1", "name": "look", "arguments": "{}", "content": "", field: f"x {KEY} y"}
    content = texts.pop("content")
    said = Message(role="assistant", content=content, tool_calls=(ToolCall(**texts),))
    kept = await kept_by(told(said, is_redacted=is_redacted))

    assert "abcdef" not in str(kept)
    assert is_redacted != ("x [redacted] y" in str(kept))


@given(st.text("ab\u00e9", max_size=30), st.integers(1, 30))
def test_of_a_text_so_much_is_kept_as_is_wanted(text: str, most: int) -> None:
    """A text that is as long as that is whole; of a longer one it says how much is missing."""
    kept = asyncio.run(kept_by(told(Message(role="user", content=text)), most_chars=most))
    cut = f"{text[:most]}… [{len(text) - most} more]"

    assert (text if len(text) <= most else cut) == kept.messages[0].content


class Late(Broken):
    """Keeps what it is given once it is let."""

    def __init__(self) -> None:
        self.prompts, self.under_way = self, list[asyncio.Future[None]]()

    def keep(self, prompt: KeptPrompt, *, most: int, since: float) -> asyncio.Future[None]:
        self.under_way.append(asyncio.get_running_loop().create_future())
        return self.under_way[-1]


async def test_all_that_is_under_way_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    """Until it is kept, or was given up; then nothing of it is held, and nothing is said of it."""
    store = Late()
    recorder = Recorder(store)
    for _ in range(2):
        recorder(told(Message(role="user", content="x")))
    flushing = asyncio.ensure_future(recorder.flush())
    await asyncio.sleep(0.01)
    assert not flushing.done()
    store.under_way[0].set_result(None)
    await asyncio.sleep(0.01)
    assert not flushing.done()
    store.under_way[1].cancel()
    await flushing
    await asyncio.sleep(0)

    assert {} == recorder._under_way
    assert "" == caplog.text


def test_what_is_under_way_on_another_loop_is_not_waited_for() -> None:
    """It may have ended, and then nothing would come of it."""
    recorder = Recorder(Late())

    async def told_once() -> None:
        recorder(told(Message(role="user", content="x")))

    first = asyncio.new_event_loop()
    first.run_until_complete(told_once())
    asyncio.run(recorder.flush())
    first.close()


def test_which_call_a_tool_answered_is_kept() -> None:
    """The id by which a result belongs to its call is kept with both."""
    said = Message(role="tool", content="shipped", tool_call_id="call_1")
    kept = asyncio.run(kept_by(told(said)))

    assert "call_1" == kept.messages[0].tool_call_id
