"""Cassettes: what SDKs sent and got is replayed, without keys, without the network, and with no secret in the file."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
import vcr.request
from support.provider import KEY as PROVIDER_KEY
from support.provider import Provider as RealProvider
from support.provider_faults import FAULTS

from fsm_orch import CallFailed, Context, Final, LLMAgent, Machine, Message, Response, Retry, Runner, RunResult, State
from fsm_orch.models import Request
from fsm_orch.models.anthropic import MessagesModel
from fsm_orch.models.openai import ChatModel, ResponsesModel
from fsm_orch.testing.cassette import HIDDEN, UnknownRequest, _Cleaner, cassette

KEY = "sk-proj-0123456789abcdef"
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_790_000_000,
    "model": "m",
    "user": "someone@example.org",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"Hi {KEY}"}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
}
MESSAGES = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hi there"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 2},
}
RESPONSES = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_790_000_000,
    "status": "completed",
    "model": "m",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi there"}]}],
    "usage": {"input_tokens": 9, "output_tokens": 2, "total_tokens": 11},
}


class Ticket(Context):
    query: str
    answer: str | None = None


class Desk(Machine[Ticket]):
    """Answer, or hand off to somebody who does."""

    triage = State(LLMAgent("Decide who answers.", reads=(Ticket.query,), calls=2), initial=True)
    support = State(LLMAgent("Answer.", reads=(Ticket.query,), writes=(Ticket.answer,), calls=2))
    answered, human = Final(), Final(fallback=True)
    to_support = triage.to(support, "it is a question")
    not_ours = triage.to(answered, "it is none")
    done = support.to(answered, "it is answered")


class Provider:
    """Answers like a provider, and counts how often it is asked."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body = body
        self.asked = 0

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked += 1
        headers = {
            "content-type": "application/json",
            "content-encoding": "gzip",
            "set-cookie": "session=very-secret-cookie",
            "openai-organization": "org-verysecret99",
            "x-request-id": f"req_{self.asked}",
        }
        return httpx2.Response(200, headers=headers, content=gzip.compress(json.dumps(self.body).encode()))


def chat(provider: Provider) -> ChatModel:
    return ChatModel("m", api_key=KEY, base_url="https://x.example/v1", transport=httpx2.MockTransport(provider))


def messages(provider: Provider) -> MessagesModel:
    return MessagesModel("m", api_key=KEY, transport=httpx2.MockTransport(provider))


def responses(provider: Provider) -> ResponsesModel:
    return ResponsesModel("m", api_key=KEY, transport=httpx2.MockTransport(provider))


def ask(model: Any, text: str = "Hello") -> Response:
    request = Request(messages=(Message(role="user", content=text),), max_output_tokens=20)
    answered: Response = asyncio.run(model.complete(request))
    return answered


KINDS = [(chat, CHAT), (messages, MESSAGES), (responses, RESPONSES)]


@pytest.mark.parametrize(("made", "body"), KINDS)
def test_what_is_recorded_is_replayed(made: Any, body: dict[str, Any], tmp_path: Path) -> None:
    """Each SDK's traffic is recorded once; the replay gives the same answer and usage, and asks nobody."""
    provider, place = Provider(body), tmp_path / "deep" / "one.json"
    with cassette(place, record=True):
        live = ask(made(provider))

    with cassette(place):
        replayed = ask(made(provider))

    assert 1 == provider.asked
    assert (live.usage, live.finish) == (replayed.usage, replayed.finish)
    assert live.text.startswith("Hi")
    assert replayed.text.startswith("Hi")


@pytest.mark.parametrize(
    "made",
    [
        lambda url: ChatModel("m", api_key=PROVIDER_KEY, base_url=f"{url}/v1"),
        lambda url: MessagesModel("m", api_key=PROVIDER_KEY, base_url=url),
        lambda url: ResponsesModel("m", api_key=PROVIDER_KEY, base_url=f"{url}/v1"),
    ],
    ids=["chat", "messages", "responses"],
)
def test_runs_over_a_socket_are_replayed_when_nobody_listens(made: Any, tmp_path: Path) -> None:
    """Whole runs, several at once and with a call tried again, end alike on a cassette, tokens and all."""
    place = tmp_path / "runs.json"

    async def ran(url: str) -> list[RunResult[Ticket]]:
        runner = Runner(Desk, model=made(url), retry=Retry(initial_s=0.0, jitter_s=0.0), clock=lambda: 0.0)
        first = await runner.run(Ticket(query="first"))
        return [first, *await asyncio.gather(*(runner.run(Ticket(query=str(number))) for number in range(8)))]

    with RealProvider() as provider:
        provider.plan(FAULTS["503"])
        with cassette(place, record=True):
            live = asyncio.run(ran(provider.url))
        asked, url = len(provider.requests), provider.url
    with cassette(place):
        replayed = asyncio.run(ran(url))

    assert asked > 9
    assert [told(result) for result in live] == [told(result) for result in replayed]
    assert PROVIDER_KEY not in place.read_text()


def told(result: RunResult[Ticket]) -> tuple[Any, ...]:
    return result.state, result.landing, result.context, result.usage, result.charged_tokens


@pytest.mark.parametrize(("made", "body"), KINDS)
def test_no_secret_is_written(made: Any, body: dict[str, Any], tmp_path: Path) -> None:
    """No key, cookie or account is in the file, wherever it stood: headers, texts, members."""
    place = tmp_path / "one.json"
    with cassette(place, record=True):
        ask(made(Provider(body)), text=f"my key is {KEY}, my token Bearer abcdefgh12345")

    written = place.read_text()

    for secret in (KEY, "very-secret-cookie", "org-verysecret99", "someone@example.org", "abcdefgh12345", "req_1"):
        assert secret not in written


def cleaned(body: str, *, of: str) -> str:
    """Give a body as it is written, of a request or of a reply."""
    cleaner = _Cleaner()
    if of == "request":
        return cleaner.request(vcr.request.Request("POST", "https://x.example/v1", body.encode(), {})).body.decode()
    text: str = cleaner.response({"headers": {}, "body": {"string": body.encode()}})["body"]["string"].decode()
    return text


@pytest.mark.parametrize(
    ("of", "body"),
    [
        ("request", "grant_type=x&client_secret=Acme-9&password=p&client%5Fsecret=Acme-9"),
        ("request", '{"api_key": ["Acme-9", {"old": "Acme-9"}], "user": {"id": "Acme-9"}}'),
        ("request", '{"metadata": {"user_id": "Acme-9", "token": "Acme-9"}}'),
        ("reply", '{"deep": [{"session_id": "Acme-9", "password": ["Acme-9"]}], "user": "Acme-9"}'),
        ("reply", 'event: x\r\ndata: {"session_id":"Acme-9","deep":{"organization":"Acme-9"}}\r\n\r\ndata: [DONE]\r\n'),
        ("reply", '{"input": {"token": "sk-Acme-9-Acme-9"}}'),
    ],
)
def test_secrets_are_known_by_their_names(of: str, body: str) -> None:
    """In forms, lists and streams too, at any depth; what is around them stays."""
    written = cleaned(body, of=of)

    assert "Acme-9" not in written
    assert HIDDEN in written
    assert written.count("\r\n") == body.count("\r\n")
    assert ("[DONE]" in written) == ("[DONE]" in body)


@pytest.mark.parametrize("frame", ["{}", "event: x\ndata: {}\n\n"])
def test_data_of_a_reply_stays(frame: str) -> None:
    """Members of common names are data, unless they are the provider's own, at the top."""
    data = {"user": "Bob", "token": "A17", "key": "k", "user_id": "u"}
    body = json.dumps({"content": [{"input": data}], "user": "someone"})

    written = cleaned(frame.replace("{}", body), of="reply")

    assert json.dumps(data) in written
    assert "someone" not in written


def test_the_file_stays_the_same(tmp_path: Path) -> None:
    """Recorded twice, the same traffic is the same file: ids and times are left out, bodies are sorted JSON."""
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for number, place in enumerate(files):
        provider = Provider({**CHAT, "id": f"chatcmpl-{number}", "created": number})
        provider.asked = number * 7
        with cassette(place, record=True):
            ask(chat(provider))

    first, second = (place.read_text() for place in files)

    assert first == second
    assert "Hello" == json.loads(first)["interactions"][0]["request"]["body"]["messages"][0]["content"]


@pytest.mark.parametrize(("texts", "known"), [(["Hello", "Goodbye"], 1), (["Hello", "Hello"], 1)])
def test_an_unknown_request_fails_clearly(texts: list[str], known: int, tmp_path: Path) -> None:
    """A request that is not recorded, or not so often, is never sent, and the test hears of it whatever came of it."""
    provider, place = Provider(CHAT), tmp_path / "one.json"
    with cassette(place, record=True):
        ask(chat(provider), texts[0])

    def replay() -> None:
        with cassette(place):
            for text in texts:
                ask(chat(provider), text)

    with pytest.raises(UnknownRequest, match=rf"does not hold\n  POST https://x\.example.*{texts[1]}"):
        replay()

    assert known == provider.asked


def test_an_unknown_request_looks_like_a_lost_connection_meanwhile(tmp_path: Path) -> None:
    """An adapter that meets it fails its call."""
    place = tmp_path / "one.json"
    with cassette(place, record=True):
        ask(chat(Provider(CHAT)))

    with pytest.raises(UnknownRequest), cassette(place), pytest.raises(CallFailed):
        ask(chat(Provider(CHAT)), "Goodbye")


def test_there_must_be_something_to_replay(tmp_path: Path) -> None:
    """Without a file the message says how to record it."""
    with pytest.raises(FileNotFoundError, match="record it with a key"), cassette(tmp_path / "none.json"):
        pass


def test_a_replay_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models by name open without a key while a cassette replays, and need one again after it."""
    from fsm_orch import ModelUnavailable
    from fsm_orch.models.registry import resolve

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    place = tmp_path / "one.json"
    with cassette(place, record=True):
        ask(chat(Provider(CHAT)))

    with cassette(place):
        assert "openai:m" == resolve("openai:m").name
    with pytest.raises(ModelUnavailable):
        resolve("openai:m")


def test_a_recording_of_no_traffic_is_replayed(tmp_path: Path) -> None:
    """Where nothing was sent, nothing is to be sent again."""
    place = tmp_path / "one.json"
    with cassette(place, record=True):
        pass

    with cassette(place):
        pass
    with pytest.raises(UnknownRequest), cassette(place), pytest.raises(CallFailed):
        ask(chat(Provider(CHAT)))


def test_recording_starts_anew(tmp_path: Path) -> None:
    """A second recording replaces the first."""
    place = tmp_path / "one.json"
    for text in ("Hello", "Goodbye"):
        with cassette(place, record=True):
            ask(chat(Provider(CHAT)), text)

    assert 1 == len(json.loads(place.read_text())["interactions"])
    assert "Goodbye" in place.read_text()
