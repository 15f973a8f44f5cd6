"""Webhooks, over a real socket: whoever is to be told is told, once or more, whatever fails and whoever dies."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError
from support.approvals import Claim, PayBack, Signed, TwoSign
from support.patience import PATIENCE_S
from support.receiver import SECRET, Receiver, Sent, receiving

from fsm_orch import MemoryStore, Runner
from fsm_orch.errors import StartError
from fsm_orch.service.webhooks import Event, Webhooks
from fsm_orch.store import Store

CLAIM = Claim(query="My kettle is broken.", card="4000 1234")


def paying(store: Store | None = None) -> Runner[Claim, None]:
    """Return a runner with a store."""
    return Runner(PayBack, store=store or MemoryStore())


def webhooks(receiver: Receiver, **options: Any) -> Webhooks:
    """Return webhooks to a receiver on this machine, which are quick."""
    quick: dict[str, Any] = {"poll_s": 0.01, "initial_s": 0.01, "max_s": 0.02, "timeout_s": PATIENCE_S}
    here: dict[str, Any] = {"is_http_allowed": True, "is_private_allowed": True, "secret": SECRET}
    return Webhooks(receiver.url, **{**quick, **here, **options})


@asynccontextmanager
async def told(receiver: Receiver, runner: Runner[Claim, None], **options: Any) -> AsyncIterator[Receiver]:
    """Tell a receiver of the runs of a runner."""
    with receiving(receiver):
        async with webhooks(receiver, **options).delivering(runner):
            yield receiver


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what a thread of a server has seen
            await asyncio.sleep(0.005)


async def test_a_question_and_an_end_are_told() -> None:
    """A receiver gets what a run asks, as a person reads it, and its end, signed and without values of the context."""
    runner = paying()
    async with told(Receiver(), runner, link=lambda event: f"https://desk.example/{event.run_id}") as receiver:
        waits = await runner.run(CLAIM, run_id="r1", tenant="acme")
        await until(lambda: receiver.sent)
        await runner.resume("r1", {"handoff": "yes"})
        await until(lambda: len(receiver.sent) == 2)
    asks, ends = receiver.said()
    (question,) = waits.waiting

    assert ["r1:0:1", "r1:ended"] == receiver.ids
    assert ("run.waiting", "run.ended") == (asks["type"], ends["type"])
    assert {"key": question.key, "text": "Pay this back?", "tool": None} == asks["data"]["question"]
    assert ("r1", "acme", "PayBack", "approve") == tuple(
        asks["data"][name] for name in ("run_id", "tenant", "machine", "state")
    )
    assert "https://desk.example/r1" == asks["data"]["link"] == ends["data"]["link"]
    assert asks["data"]["expires_at"].endswith("+00:00")
    assert ["yes", "no"] == asks["data"]["form"]["properties"]["handoff"]["enum"]
    assert ("paid", None) == (ends["data"]["state"], ends["data"]["landing"])
    assert not any(word in sent.body for sent in receiver.sent for word in (b"kettle", b"4000", b"paid."))


async def test_only_what_is_asked_for_is_told() -> None:
    """A receiver of ends is not told of questions, and one of questions not of ends."""
    runner = paying()
    async with (
        told(Receiver(), runner, events=["ended"], name="ends") as ends,
        told(Receiver(), runner, events=["waiting"], name="asks") as asks,
    ):
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: asks.sent)
        await runner.resume("r1", {"handoff": "no"})
        await until(lambda: ends.sent)

    assert (["r1:0:1"], ["r1:ended"]) == (asks.ids, ends.ids)


async def test_a_receiver_that_fails_is_tried_again() -> None:
    """What it did not take twice is sent a third time, under the same id, and then no more."""
    runner = paying()
    async with told(Receiver([500, 302, 200]), runner) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: len(receiver.sent) == 3)
        await asyncio.sleep(0.1)

    assert ["r1:0:1"] * 3 == receiver.ids
    assert 3 == len(receiver.said())


async def test_a_receiver_that_never_takes_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """After so many tries it is told no more of this event, and the log says so; of the next one it is told."""
    runner = paying()
    async with told(Receiver([500, 500, 500, 204]), runner, tries=3) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "given up after try 3" in caplog.text)
        await runner.resume("r1", {"handoff": "no"})
        await until(lambda: len(receiver.sent) == 4)

    assert ["r1:0:1"] * 3 + ["r1:ended"] == receiver.ids
    assert [logging.WARNING] * 2 + [logging.ERROR] == [record.levelno for record in caplog.records]


async def test_an_event_that_is_old_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever tries are left, it is given up once it would be older than it may."""
    runner = paying()
    async with told(Receiver([503]), runner, give_up_s=0.0) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "given up after try 1" in caplog.text)

    assert ["r1:0:1"] == receiver.ids


async def test_a_receiver_is_not_asked_before_it_says(caplog: pytest.LogCaptureFixture) -> None:
    """An answer with Retry-After is waited for, by the clock of whoever delivers."""
    now_s = 1_000_000.0
    runner = Runner(PayBack, store=MemoryStore(), wall_clock=lambda: now_s)
    async with told(
        Receiver([(429, {"retry-after": "600"}), 204]), runner, wall_clock=lambda: now_s, give_up_s=1e9
    ) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "This was try 1" in caplog.text)
        now_s += 599
        await asyncio.sleep(0.1)
        assert 1 == len(receiver.sent)
        now_s += 1
        await until(lambda: len(receiver.sent) == 2)


async def test_a_slow_receiver_holds_no_run_up() -> None:
    """Runs go on while it does not answer, no more requests are under way than may be, and all are told in the end."""
    runner = paying()
    receiver = Receiver()
    receiver.may_answer.clear()
    async with told(receiver, runner, concurrency=2):
        for number in range(9):
            result = await runner.run(CLAIM, run_id=f"r{number}")
            assert "waiting" == result.status
        await until(lambda: len(receiver.sent) == 2)
        await asyncio.sleep(0.1)
        assert 2 == len(receiver.sent)
        receiver.may_answer.set()
        await until(lambda: len(receiver.sent) == 9)

    assert {f"r{number}:0:1" for number in range(9)} == set(receiver.ids)


async def test_a_receiver_that_does_not_answer_in_time_has_not_taken_it() -> None:
    """A request is cut off, and the event is sent again."""
    runner = paying()
    receiver = Receiver()
    receiver.may_answer.clear()
    async with told(receiver, runner, timeout_s=0.2):
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: len(receiver.sent) == 2)
        receiver.may_answer.set()

    assert {"r1:0:1"} == set(receiver.ids)


async def test_a_receiver_that_is_gone_is_told_nothing_more(caplog: pytest.LogCaptureFixture) -> None:
    """After 410 nothing is sent, and nothing is kept for it, until a process begins to tell it anew."""
    runner = paying()
    async with told(Receiver([410, 204]), runner) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "is gone" in caplog.text)
        await runner.resume("r1", {"handoff": "no"})
        await runner.run(CLAIM, run_id="r2")
        await asyncio.sleep(0.1)
        assert ["r1:0:1"] == receiver.ids
        async with webhooks(receiver).delivering(runner):
            await until(lambda: len(receiver.sent) == 2)

    assert ["r1:0:1", "r2:0:1"] == receiver.ids


async def test_no_redirect_is_followed() -> None:
    """One that leads to where a cloud keeps its secrets, or to another receiver, is a refusal like any other."""
    runner, other = paying(), Receiver()
    with receiving(other):
        answers = [(status, {"location": to}) for status in (301, 307) for to in ("http://169.254.169.254/", other.url)]
        async with told(Receiver([*answers, 204]), runner) as receiver:
            await runner.run(CLAIM, run_id="r1")
            await until(lambda: len(receiver.sent) == 5)

    assert [] == other.sent


async def test_a_question_that_was_answered_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """What is moot by the time a receiver is reached stays untold: it gets the end alone."""
    now_s = 1_000_000.0
    runner = Runner(PayBack, store=MemoryStore(), wall_clock=lambda: now_s)
    async with told(Receiver([500, 204]), runner, wall_clock=lambda: now_s, initial_s=30.0, max_s=30.0) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "This was try 1" in caplog.text)
        await runner.resume("r1", {"handoff": "no"})
        now_s += 60
        await until(lambda: len(receiver.sent) == 2)

    assert ["r1:0:1", "r1:ended"] == receiver.ids


async def test_a_question_that_has_expired_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """Once nobody can answer it any more a receiver is not asked to, though nobody has gone on with the run."""
    now_s = time.time()
    runner = Runner(PayBack, store=MemoryStore(), wall_clock=lambda: now_s)
    async with told(Receiver([503, 204]), runner, wall_clock=lambda: now_s) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: "This was try 1" in caplog.text)
        now_s += 3_600
        await runner.run(CLAIM, run_id="r2")
        await until(lambda: len(receiver.sent) == 2)

    assert ["r1:0:1", "r2:0:1"] == receiver.ids


async def test_each_question_is_told_once() -> None:
    """Of two that are asked at once each is told, and the one that stays open is not told again after the other."""
    runner: Runner[Any, None] = Runner(TwoSign, store=MemoryStore())
    async with told(Receiver(), runner) as receiver:
        asks = await runner.run(Signed(query="Sign this."), run_id="r1")
        await until(lambda: len(receiver.sent) == 2)
        for question in asks.waiting:
            await runner.resume("r1", dict.fromkeys(question.form["required"], "A."), question=question)
            await asyncio.sleep(0.1)
        await until(lambda: "r1:ended" in receiver.ids)

    assert ["r1:0.1:0:1", "r1:0.2:0:1"] == [question.key for question in asks.waiting]
    assert ["r1:0%2E1:0:1", "r1:0%2E2:0:1", "r1:ended"] == sorted(receiver.ids)


async def test_an_id_is_what_a_header_takes() -> None:
    """Whatever a run is called, its events are told, each under an id of its own that is signed as it is sent."""
    runner, names = paying(), ["r.1", "r\u00e9", "r 1", "r\r\nx-evil: 1", "r%2E1"]
    async with told(Receiver(), runner) as receiver:
        for name in names:
            await runner.run(CLAIM, run_id=name)
        await until(lambda: len(receiver.sent) == len(names))

    assert len(names) == len(set(receiver.ids))
    assert set(names) == {said["data"]["run_id"] for said in receiver.said()}
    assert not any("x-evil" in sent.headers for sent in receiver.sent)


async def test_what_is_told_may_be_the_operators_words() -> None:
    """`payload` makes the body of the event, its question and its run."""

    def chat(event: Event) -> dict[str, str]:
        assert event.question is not None
        return {"text": f"{event.question.text} {event.result.context.query} <{event.link}|Answer>"}

    runner = paying()
    async with told(
        Receiver(), runner, events=["waiting"], payload=chat, link=lambda event: "https://desk.example"
    ) as receiver:
        await runner.run(CLAIM)
        await until(lambda: receiver.sent)

    assert [{"text": "Pay this back? My kettle is broken. <https://desk.example|Answer>"}] == receiver.said()


@pytest.mark.parametrize("error", [LookupError, SystemExit])
@pytest.mark.parametrize("hook", ["payload", "link"])
async def test_a_payload_that_fails_stops_nothing(
    hook: str, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    """What raises is told to the log by its kind alone, and tried again; other runs are told, and no exit is one."""
    failed: list[str] = []

    def failing(event: Event) -> str:
        if event.run_id == "r1" and not failed:
            failed.append(event.id)
            raise error(event.result.context.card)
        return event.id

    runner = paying()
    async with told(Receiver(), runner, **{hook: failing}) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await runner.run(CLAIM, run_id="r2")
        await until(lambda: len(receiver.sent) == 2)

    assert {"r1:0:1", "r2:0:1"} == set(receiver.ids)
    assert error.__name__ in caplog.text
    assert "4000" not in caplog.text


async def test_what_is_changed_on_the_way_is_refused() -> None:
    """A body, an id or a time that is not what was signed is refused by a verifier, and so is another secret."""
    runner = paying()
    async with told(Receiver(), runner) as receiver:
        await runner.run(CLAIM, run_id="r1")
        await until(lambda: receiver.sent)
    (sent,) = receiver.sent
    later = str(int(sent.headers["webhook-timestamp"]) + 1)
    changed = [
        Sent(sent.headers, sent.body.replace(b"approve", b"declined")),
        Sent({**sent.headers, "webhook-id": "r2:0:1"}, sent.body),
        Sent({**sent.headers, "webhook-timestamp": later}, sent.body),
    ]

    assert sent.said()
    for each in changed:
        with pytest.raises(WebhookVerificationError):
            each.said()
    with pytest.raises(WebhookVerificationError):
        sent.said("whsec_" + "A" * 43 + "=")


async def test_a_secret_is_replaced_without_a_gap() -> None:
    """While there are two, whoever knows either verifies what is sent."""
    other = "whsec_" + "B" * 43 + "="
    runner = paying()
    async with told(Receiver(), runner, secret=[SECRET, other]) as receiver:
        await runner.run(CLAIM)
        await until(lambda: receiver.sent)

    assert receiver.sent[0].said() == receiver.sent[0].said(other)


async def test_what_is_left_is_told_at_the_end() -> None:
    """A block that is left right after its run still tells of it."""
    runner = paying()
    async with told(Receiver(), runner, poll_s=1_000.0) as receiver:
        await runner.run(CLAIM, run_id="r1")

    assert ["r1:0:1"] == receiver.ids


async def test_a_receiver_that_hangs_does_not_hold_the_end_up() -> None:
    """The block is left after a while, and who delivers next sends the event again."""
    store, receiver = MemoryStore(), Receiver()
    receiver.may_answer.clear()
    with receiving(receiver):
        async with webhooks(receiver, timeout_s=0.5, drain_s=0.05).delivering(paying(store)):
            await paying(store).run(CLAIM, run_id="r1")
            await until(lambda: receiver.sent)
        receiver.may_answer.set()
        async with webhooks(receiver).delivering(paying(store)):
            await until(lambda: len(receiver.sent) == 2)

    assert ["r1:0:1"] * 2 == receiver.ids


async def test_several_that_deliver_send_each_event_once() -> None:
    """While all live and a receiver is quick, no event is sent twice."""
    store = MemoryStore()
    runners = [paying(store.beside(lease_s=60)) for _ in range(3)]
    with receiving(Receiver()) as receiver:
        async with (
            webhooks(receiver).delivering(runners[0]),
            webhooks(receiver).delivering(runners[1]),
            webhooks(receiver).delivering(runners[2]),
        ):
            await asyncio.gather(*[runners[n % 3].run(CLAIM, run_id=f"r{n}") for n in range(30)])
            await until(lambda: len(receiver.sent) >= 30)
            await asyncio.sleep(0.1)

    assert sorted(f"r{n}:0:1" for n in range(30)) == sorted(receiver.ids)


async def test_webhooks_need_a_store_that_notes() -> None:
    """A runner without a store, runners of two, and none are refused."""
    hooks = Webhooks("https://example.org", secret=SECRET)
    for runners in ([Runner(PayBack)], [paying(), paying()], []):
        with pytest.raises(StartError, match="runners of one store"):
            async with hooks.delivering(*runners):
                pass


@pytest.mark.parametrize(
    ("url", "options", "match"),
    [
        ("http://example.org", {}, "over http anybody reads it"),
        ("ftp://example.org", {}, "https://HOST"),
        ("https:///path", {}, "https://HOST"),
        ("https://[example.org]/", {}, "https://HOST"),
        ("https://me:s3cret\u2100@example.org/", {}, "https://HOST"),
        ("https://example.org:s3cret/", {}, "https://HOST"),
        ("https://example.org:99999/s3cret", {}, "https://HOST"),
        ("https://example.org/\r\nX: s3cret", {}, "https://HOST"),
        ("https://169.254.169.254/x", {}, "not public"),
        ("https://[::1]/x", {}, "not public"),
        ("https://10.0.0.1", {}, "not public"),
        ("https://example.org", {"secret": "s3cret"}, "24 to 64"),
        ("https://example.org", {"secret": "whsec_c2hvcnQ="}, "24 to 64"),
        ("https://example.org", {"secret": []}, "give a secret"),
        ("https://example.org", {"events": []}, r"not \(\)"),
        ("https://example.org", {"events": ["begun"]}, "'begun'"),
        ("https://example.org", {"tries": 0}, "tries= of Webhooks"),
    ],
)
def test_what_cannot_be_is_refused_at_once(url: str, options: dict[str, Any], match: str) -> None:
    """A URL, a secret, events or a number that is none is refused where it is written, and no secret is said."""
    with pytest.raises(ValueError, match=match) as refused:
        Webhooks(url, **{"secret": SECRET, **options})

    assert not any(word in str(refused.value) for word in (SECRET, "s3cret", "c2hvcnQ", "example.org"))


def test_webhooks_are_shown_without_their_secrets() -> None:
    """Neither the secret nor the URL, which may be one, is in what is printed."""

    assert "Webhooks(name='chat')" == repr(Webhooks("https://example.org/T0/B0/xyz", secret=SECRET, name="chat"))
