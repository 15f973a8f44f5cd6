"""Traces of runs, as a real exporter sends them over HTTP to a sink on this machine."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from support.branches import All, First, Trip
from support.otlp import Sink, attributes_of, noting, sink, tree
from support.provider import KEY, Provider
from support.shop import DONE, SOLVED, Shorten, Text, Ticket, desk, order_status, use, use_all
from support.traced import header

from fsm_orch import MemoryStore, Reply, Runner, ScriptedModel, Visit
from fsm_orch.models.openai import ChatModel
from fsm_orch.observe.otel import trace_prompts, trace_runs

LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "http,gen_ai_latest_experimental"}


@contextmanager
def exported(taken: Sink, *, compression: Any = Compression.NoCompression) -> Iterator[TracerProvider]:
    """Return a provider whose spans have all been sent once the block is left."""
    provider = TracerProvider(shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=taken.url, compression=compression, timeout=5)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=50))
    try:
        yield provider
    finally:
        provider.shutdown()


def named(spans: list[Span], name: str) -> Span:
    """Return the only span of a name."""
    (found,) = [span for span in spans if span.name == name]
    return found


SHOP = desk(order_status, Shorten)
"""Two exits, a tool, and a machine as a tool."""


def served_by(*replies: Any, **options: Any) -> ScriptedModel:
    return ScriptedModel(list(replies), name="openai:gpt-5-mini", **options)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_a_run_is_a_tree_of_spans_on_the_wire(compression: Compression) -> None:
    """A workflow holds its visits, a visit its calls, its tools, and the workflow of a machine that it runs."""
    model = served_by(use_all(("order_status", {"order": 4711}), ("Shorten", {"text": "long"})), {"short": "l"}, SOLVED)
    with sink() as taken, exported(taken, compression=compression) as provider:
        before = time.time_ns()
        result = await Runner(SHOP, model=model, observers=[trace_runs(provider)]).run(
            Ticket(query="where"), run_id="r1"
        )
        after = time.time_ns()

    assert result.state is SHOP.done
    inner = ("invoke_workflow Shorten", [("invoke_agent work", ["chat gpt-5-mini"])])
    (root,) = tree(taken.spans)
    assert "invoke_workflow Desk" == root[0]
    ((visit, inside),) = root[1]
    assert "invoke_agent work" == visit
    assert sorted(map(str, ["chat gpt-5-mini", "execute_tool order_status", inner, "chat gpt-5-mini"])) == sorted(
        map(str, inside)
    )
    assert {compression is Compression.Gzip} == {each == "gzip" for each in taken.encodings}
    assert 1 == len({span.trace_id for span in taken.spans})
    assert all(before <= span.start_time_unix_nano <= span.end_time_unix_nano <= after for span in taken.spans)


async def test_spans_bear_the_names_of_the_conventions_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model, provider, usage, limits and ends stand under the names of 1.36, or the newest where they are asked for."""
    seen = {}
    for name, environment in {"old": {}, "new": LATEST}.items():
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        with sink() as taken, exported(taken) as provider:
            runner = Runner(SHOP, model=served_by(DONE), observers=[trace_runs(provider, tenants=True)])
            result = await runner.run(Ticket(query="where"), run_id="r1", tenant="acme")
        seen[name] = [attributes_of(named(taken.spans, each)) for each in ("invoke_workflow Desk", "chat gpt-5-mini")]

    (run, call), (new_run, new_call) = seen["old"], seen["new"]
    assert ("r1", "acme", SHOP.definition.digest) == (
        run["fsm.run.id"], run["fsm.tenant"], run["fsm.definition.digest"]
    )  # fmt: skip
    assert (60_000, 8, "done", 1) == (
        run["fsm.limits.tokens"], run["fsm.limits.hops"], run["fsm.state"], run["fsm.hops"]
    )  # fmt: skip
    assert ("openai", "gpt-5-mini") == (call["gen_ai.system"], call["gen_ai.request.model"])
    assert result.usage.input_tokens == call["gen_ai.usage.input_tokens"]
    assert result.usage.output_tokens == call["gen_ai.usage.output_tokens"]
    assert "openai" == new_call["gen_ai.provider.name"]
    assert "gen_ai.system" not in new_call
    assert ("Desk", "Desk") == (new_run["gen_ai.workflow.name"], new_run["gen_ai.agent.name"])
    assert "gen_ai.conversation.id" not in run


async def test_a_thread_is_the_conversation_and_a_tenant_stands_on_no_span_unasked() -> None:
    """The id of the thread is that of the conversation; for whom a run is, is told only where it is asked for."""
    provider, noted = noting()
    runner = Runner(SHOP, model=served_by(DONE), observers=[trace_runs(provider)], store=MemoryStore())
    await runner.run(Ticket(query="where"), thread_id="t1", tenant="acme")

    root = dict(noted.ended[-1].attributes or {})
    assert "t1" == root["gen_ai.conversation.id"]
    assert "acme" not in str([span.to_json() for span in noted.ended])


async def test_no_span_holds_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an opt-in no text of a user, a model or a tool is on a span; with it those of the calls are."""
    asked, said = "my card is 4711", {"reply": {"handoff": "solved", "answer": "SECRET answer"}}
    for value, is_told in {"": False, "false": False, "true": True, "SPAN_ONLY": True, "event_only": False}.items():
        monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", value)
        provider, noted = noting()
        runner = Runner(
            SHOP,
            model=served_by(use("order_status", order=815), said),
            observers=[trace_runs(provider)],
            on_prompt=trace_prompts(),
        )
        await runner.run(Ticket(query=asked))
        whole = str([(span.attributes, [event.attributes for event in span.events]) for span in noted.ended])

        assert [is_told] * 3 == [text in whole for text in (asked, "SECRET", "waiting for payment")], value
        if is_told:
            calls = [span.attributes or {} for span in noted.ended if span.name.startswith("chat")]
            assert ["order_status" in str(call["gen_ai.output.messages"]) for call in calls] == [True, False]


async def test_a_runner_that_redacts_puts_no_text_on_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where fields are to be kept nowhere, no text of a call stands on its span, whatever the environment says."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    provider, noted = noting()
    runner = Runner(
        desk(two_exits=False),
        model=served_by({"answer": "x"}),
        observers=[trace_runs(provider)],
        on_prompt=trace_prompts(),
        redact=Ticket.query,
        store=MemoryStore(),
    )
    await runner.run(Ticket(query="SECRET"))

    assert ["chat gpt-5-mini"] == [span.name for span in noted.ended if "chat" in span.name]
    assert "messages" not in str([span.to_json() for span in noted.ended])


async def test_what_goes_wrong_has_a_status() -> None:
    """Refusals and landings are events with their reasons; what failed has the status of an error and its type."""
    with sink() as taken, exported(taken) as provider:
        model = served_by(*[{"reply": {"handoff": "SECRET"}}] * 4)
        await Runner(SHOP, model=model, observers=[trace_runs(provider)]).run(Ticket(query="where"))

    visit, run = named(taken.spans, "invoke_agent work"), named(taken.spans, "invoke_workflow Desk")
    refused = [attributes_of(event) for event in visit.events if event.name == "fsm.refused"]
    assert [True] * (len(refused) - 1) + [False] == [each["fsm.repaired"] for each in refused]
    assert "SECRET" not in str(taken.spans)
    (landing,) = [attributes_of(event) for event in run.events if event.name == "fsm.landing"]
    assert ("refusal", "work", "human") == (landing["fsm.reason"], landing["fsm.source"], landing["fsm.target"])
    assert [Status.STATUS_CODE_ERROR] * 2 == [visit.status.code, run.status.code]
    assert refused[-1]["fsm.reason"] == attributes_of(visit)["error.type"]
    assert ("refusal", "refusal") == (attributes_of(run)["error.type"], attributes_of(run)["fsm.landing.reason"])


async def test_the_name_of_no_handoff_stands_on_no_span() -> None:
    """A refused handoff is named where it exists; what else a reply has named may be any text."""

    async def names(visit: Visit[Ticket]) -> Reply:
        return Reply(handoff="SECRET", changes={Ticket.answer: "x"})

    provider, noted = noting()
    runner = Runner(SHOP, model=served_by(), agents={SHOP.work: names}, observers=[trace_runs(provider)])  # type: ignore[attr-defined]
    await runner.run(Ticket(query="where"))

    (visit,) = [span for span in noted.ended if span.name == "invoke_agent work"]
    assert {"unknown_handoff"} == {(event.attributes or {})["fsm.reason"] for event in visit.events}
    assert "SECRET" not in str([span.to_json() for span in noted.ended])


async def test_a_tool_that_fails_and_a_call_of_unknown_usage_have_a_status() -> None:
    """The span of a tool that raised is an error, and so is that of a call that was cut off; their visit is none."""

    def broken(order: int) -> str:
        """Look at an order."""
        raise RuntimeError("hunter2")

    machine = desk(broken)
    provider, noted = noting()
    runner = Runner(machine, model=served_by(use("broken", order=1), DONE), observers=[trace_runs(provider)])
    await runner.run(Ticket(query="where"))

    by_name = {span.name: span for span in noted.ended}
    tool = by_name["execute_tool broken"]
    assert "tool_failed" == (tool.attributes or {})["error.type"]
    assert not tool.status.is_ok
    assert by_name["invoke_agent work"].status.is_unset
    assert "hunter2" not in str([span.to_json() for span in noted.ended])


async def test_branches_lie_side_by_side_under_their_visit() -> None:
    """Each branch is a workflow of its own under the visit that runs it; those that lose a race end with it."""
    plan = '{"a": [0, true], "b": [0.01, true], "c": [0.02, true]}'
    for machine, state in ((All, All.done), (First, First.done)):
        provider, noted = noting()
        result = await Runner(machine, observers=[trace_runs(provider)]).run(Trip(plan=plan))

        assert result.state is state
        noted.check()
        (visit,) = [span for span in noted.ended if span.name == "invoke_agent fan"]
        under = [span for span in noted.ended if span.parent and span.parent.span_id == visit.context.span_id]
        assert 3 == len(under)
        assert all(span.name.startswith("invoke_workflow") for span in under)


async def test_an_exporter_that_is_down_or_slow_touches_no_run(caplog: pytest.LogCaptureFixture) -> None:
    """Runs end as they would when nobody takes the spans, answers, or there is no sink at all."""
    caplog.set_level(logging.CRITICAL, logger="opentelemetry")
    with sink() as slow, sink() as failing:
        slow.answers.clear()
        failing.status = 503
        nowhere = Sink()
        nowhere.url = "http://127.0.0.1:9/v1/traces"
        for taken in (slow, failing, nowhere):
            provider = TracerProvider(shutdown_on_exit=False)
            exporter = OTLPSpanExporter(endpoint=taken.url, timeout=0.2)
            batches = BatchSpanProcessor(exporter, schedule_delay_millis=1, max_export_batch_size=1)
            provider.add_span_processor(batches)
            runner = Runner(SHOP, model=served_by(*[DONE] * 20), observers=[trace_runs(provider)])
            results = await asyncio.gather(*[runner.run(Ticket(query="where")) for _ in range(20)])

            assert {SHOP.done} == {result.state for result in results}
            slow.answers.set()
            await asyncio.to_thread(provider.shutdown)


async def test_a_clock_that_is_set_back_turns_no_span_around() -> None:
    """Spans end no earlier than they begin, and no earlier than what lies in them, whatever the clock says."""
    provider, noted = noting()
    times = iter(range(10**18, 0, -(10**9)))
    tracer = trace_runs(provider, clock_ns=lambda: next(times))
    await Runner(SHOP, model=served_by(use("order_status", order=1), DONE), observers=[tracer]).run(Ticket(query="x"))

    noted.check()
    assert 5 == len(noted.ended)


async def test_the_tracer_of_no_sdk_makes_nothing() -> None:
    """Without an SDK a run goes as it goes, and nothing is current in its agents."""
    result = await Runner(SHOP, model=served_by(DONE), observers=[trace_runs()]).run(Ticket(query="where"))

    assert result.state is SHOP.done
    assert result.journal[0].trace_parent is None  # type: ignore[union-attr]


async def test_a_request_on_the_wire_bears_the_span_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an instrumented HTTP client adds to the requests of several runs, over real sockets, is their calls."""
    plain = httpx2.AsyncHTTPTransport.handle_async_request

    async def instrumented(transport: Any, request: httpx2.Request) -> httpx2.Response:
        request.headers["traceparent"] = header()  # as instrumentations of HTTP clients do
        return await plain(transport, request)

    monkeypatch.setattr(httpx2.AsyncHTTPTransport, "handle_async_request", instrumented)
    tracing, noted = noting()
    with Provider() as provider:
        model = ChatModel("gpt-5-mini", api_key=KEY, base_url=f"{provider.url}/v1")
        runner = Runner(Shorten, model=model, observers=[trace_runs(tracing)])
        await asyncio.gather(*[runner.run(Text(text=f"long {number}")) for number in range(8)])

    noted.check()
    sent = [each.headers["traceparent"].split("-")[2] for each in provider.requests]
    calls = [f"{span.context.span_id:016x}" for span in noted.ended if span.name.startswith("chat")]
    assert len(sent) >= 8
    assert sorted(sent) == sorted(calls)
