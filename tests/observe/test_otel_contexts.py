"""Whose spans lie under whose: the caller's over the run's, the run's over what its agents begin."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import SpanContext, StatusCode
from support.approvals import Claim, PayBack
from support.killed import forget_leases
from support.otlp import Noted, noting
from support.serving import desk as served_desk
from support.serving import served
from support.shop import DONE, Ticket, desk, use
from support.stubbed import environment
from support.traced import ASIDE, IN_TOOL, Asides, Looks, LooksAsides, Seen, header, look_up, telling

from fsm_orch import Final, LLMAgent, Machine, MemoryStore, Runner, ScriptedModel, State, Visit
from fsm_orch.observe import everywhere
from fsm_orch.observe.otel import trace_runs
from fsm_orch.store import store_at

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-1] + "0"


def current() -> SpanContext:
    return trace.get_current_span().get_span_context()


def root(noted: Noted, name: str) -> ReadableSpan:
    """Return the last span of a workflow that has ended."""
    return [span for span in noted.ended if span.name == f"invoke_workflow {name}"][-1]


def names_by_id(noted: Noted) -> dict[str, str]:
    return {format(span.context.span_id, "016x"): span.name for span in noted.ended}


async def test_what_is_current_in_an_agent_is_its_visit_and_in_a_request_its_call() -> None:
    """What code traces lies under its visit, in a thread too; what an HTTP client of a model traces under the call."""
    provider, noted = noting()
    model = telling({"text": "x"})
    with provider.get_tracer("test").start_as_current_span("request") as request:
        before = current()
        result = await Runner(Looks, model=model, observers=[trace_runs(provider)]).run(Seen())
        assert before == current()

    assert result.state is Looks.done
    noted.check()
    names = names_by_id(noted)
    assert "invoke_agent first" == names[result.context.code.split("-")[2]]
    assert "invoke_agent second" == names[result.context.threaded.split("-")[2]]
    assert {"chat script"} == {names[each.split("-")[2]] for each in model.sent}
    assert request.get_span_context().span_id == root(noted, "Looks").parent.span_id  # type: ignore[union-attr]
    told = str(result.journal[0].trace_parent)  # type: ignore[union-attr]
    assert told.startswith(f"00-{before.trace_id:032x}-{before.span_id:016x}-")


async def test_what_an_agent_finds_after_its_call_is_its_visit_again() -> None:
    """A call's span is current while the call is open, and not after it, be there several at once."""
    seen: list[str] = []

    class Asking(LLMAgent):
        async def act(self, visit: Visit[Any]) -> Any:
            async def ask() -> None:
                from fsm_orch import Message

                await visit.model.ask((Message(role="user", content="x"),))
                seen.append(header())

            await asyncio.gather(ask(), ask())
            await ask()
            return await super().act(visit)

    class Alone(Machine[Seen]):
        """Asks four times."""

        work = State(Asking("Say it.", writes=Seen.text, calls=4), initial=True)
        done, human = Final(), Final(fallback=True)
        on = work.to(done)

    provider, noted = noting()
    model = telling(*[{"text": "x"}] * 4)
    result = await Runner(Alone, model=model, observers=[trace_runs(provider)]).run(Seen())

    assert result.state is Alone.done
    names = names_by_id(noted)
    assert ["invoke_agent work"] * 3 == [names[each.split("-")[2]] for each in seen]
    assert 4 == len({each.split("-")[2] for each in model.sent})


async def test_a_tool_acts_in_its_own_span_and_branches_in_theirs() -> None:
    """What is current in a tool is its use; in each of several branches at once it is the branch's own visit."""
    provider, noted = noting()
    model = ScriptedModel([use("look_up", order=1), DONE])
    IN_TOOL.clear()
    await Runner(desk(look_up), model=model, observers=[trace_runs(provider)]).run(Ticket(query="where"))
    await Runner(LooksAsides, observers=[trace_runs(provider)]).run(Asides())

    names = names_by_id(noted)
    assert ["execute_tool look_up"] == [names[each.split("-")[2]] for each in IN_TOOL]
    assert {"invoke_agent one", "invoke_agent two"} == {names[each.split("-")[2]] for each in ASIDE}
    noted.check()


async def test_two_runs_at_once_do_not_mix() -> None:
    """Each of many runs at once is a trace of its own, under its own caller, and each agent is in its own run's."""
    provider, noted = noting()
    runner = Runner(Looks, model=telling(*[{"text": "x"}] * 30), observers=[trace_runs(provider)])

    async def one(number: int) -> tuple[str, str, str]:
        with provider.get_tracer("test").start_as_current_span(f"request {number}"):
            result = await runner.run(Seen())
            return (result.context.code, result.context.threaded, header())

    for code, threaded, caller in await asyncio.gather(*map(one, range(30))):
        assert 1 == len({each.split("-")[1] for each in (code, threaded, caller)})
    noted.check()
    assert 30 == len({span.context.trace_id for span in noted.ended})
    assert 30 * 6 == len(noted.ended)


async def test_an_unsampled_caller_makes_no_spans_and_is_passed_on() -> None:
    """Under a caller that is not sampled no span is made, and requests say so too; no text is made for any."""
    asked: list[str] = []

    class Counted(ParentBased):
        def should_sample(self, parent_context: Any, trace_id: int, name: str, *args: Any, **options: Any) -> Any:
            asked.append(name)
            return super().should_sample(parent_context, trace_id, name, *args, **options)

    provider, noted = noting(Counted(ALWAYS_ON))
    model = telling({"text": "x"})
    runner = Runner(Looks, model=model, observers=[trace_runs(provider)])
    result = await runner.run(Seen(), trace_parent=UNSAMPLED)

    assert result.state is Looks.done
    assert [] == noted.ended
    assert ["invoke_workflow Looks"] == asked  # and nothing else, so that it costs as little
    assert {UNSAMPLED[:35]} == {each[:35] for each in (*model.sent, result.context.code, result.context.threaded)}
    assert {"00"} == {each[-2:] for each in (*model.sent, result.context.code)}


async def test_what_else_the_caller_has_is_kept() -> None:
    """The baggage of the caller reaches agents, and a span that is current goes before one that is told."""
    found: list[object] = []

    async def note(visit: Visit[Seen]) -> Any:
        found.append(baggage.get_baggage("who"))
        return {Seen.code: header()}

    provider, noted = noting()
    runner = Runner(Looks, model=telling({"text": "x"}), observers=[trace_runs(provider)], agents={Looks.first: note})
    with provider.get_tracer("test").start_as_current_span("request"):
        token = context.attach(baggage.set_baggage("who", "me"))
        await runner.run(Seen(), trace_parent=CALLER)
        context.detach(token)

    assert ["me"] == found
    assert names_by_id(noted)[f"{root(noted, 'Looks').parent.span_id:016x}"] == "request"  # type: ignore[union-attr]


@pytest.mark.parametrize("bad", ["", "00", CALLER.upper(), f"ff{CALLER[2:]}", f"00-{'0' * 32}-{'1' * 16}-01", "é"])
async def test_a_caller_that_is_none_is_refused(bad: str) -> None:
    """A `trace_parent` that the standard does not know is refused by name, before a run begins."""
    with pytest.raises(Exception, match="trace_parent="):
        await Runner(Looks, model=telling()).run(Seen(), trace_parent=bad)


async def test_a_run_that_goes_on_has_a_trace_of_its_own_that_links_to_its_caller() -> None:
    """What waits for a human ends its spans; what goes on after the answer links to the first caller's span."""
    store = MemoryStore()
    first, before = noting()
    with first.get_tracer("test").start_as_current_span("request") as request:
        result = await Runner(PayBack, store=store, observers=[trace_runs(first)]).run(Claim(query="q", card="c"))
    before.check()
    assert "waiting" == result.status
    assert {"invoke_workflow PayBack", "invoke_agent approve", "ask_human", "request"} == {
        span.name for span in before.ended
    }

    second, after = noting()
    ended = await Runner(PayBack, store=store, observers=[trace_runs(second)]).resume(result.run_id, {"handoff": "yes"})

    assert ended.state is PayBack.paid
    after.check()
    caller = request.get_span_context()
    again = root(after, "PayBack")
    assert again.parent is None
    assert again.context.trace_id != caller.trace_id
    resumed = [span for span in after.ended if (span.attributes or {}).get("fsm.resumed")]
    assert {"invoke_workflow PayBack", "invoke_agent approve", "ask_human"} == {span.name for span in resumed}
    assert {(caller.trace_id, caller.span_id)} == {
        (link.context.trace_id, link.context.span_id) for span in resumed for link in span.links
    }
    assert [] == [span.name for span in after.ended if span.links and span not in resumed]


async def test_a_run_that_goes_on_of_no_caller_says_so_too() -> None:
    """Without a caller there is nothing to link to: spans say that they were left, or go on, all the same."""
    provider, noted = noting()
    runner = Runner(PayBack, store=MemoryStore(), observers=[trace_runs(provider)])
    result = await runner.run(Claim(query="q", card="c"))
    await runner.resume(result.run_id, {"handoff": "no"})

    noted.check()
    told = [dict(span.attributes or {}) for span in noted.ended if span.name == "invoke_workflow PayBack"]
    assert [(True, None), (None, True)] == [(each.get("fsm.left"), each.get("fsm.resumed")) for each in told]
    assert [] == [link for span in noted.ended for link in span.links]
    assert {result.run_id} == {each["fsm.run.id"] for each in told}


async def test_a_run_that_goes_on_is_sampled_as_its_caller_was() -> None:
    """Of a caller that was not sampled what goes on later is not either, and what it sends says so."""
    store = MemoryStore()
    provider, noted = noting()
    runner = Runner(PayBack, store=store, observers=[trace_runs(provider)])
    result = await runner.run(Claim(query="q", card="c"), trace_parent=UNSAMPLED)
    ended = await runner.resume(result.run_id, {"handoff": "yes"})

    assert ended.state is PayBack.paid
    assert [] == noted.begun


async def test_a_queued_run_lies_under_who_queued_it() -> None:
    """A run that a worker begins is a child of the span that queued it; queued again, it is the same run."""
    store = MemoryStore()
    provider, noted = noting()
    tracer = provider.get_tracer("test")
    runner = Runner(Looks, model=telling({"text": "x"}), store=store, observers=[trace_runs(provider)])
    with tracer.start_as_current_span("request") as request:
        await runner.enqueue(Seen(), run_id="r")
    with tracer.start_as_current_span("again"):
        await runner.enqueue(Seen(), run_id="r")
    with tracer.start_as_current_span("worker"):
        await runner.resume("r")

    noted.check()
    workflow = root(noted, "Looks")
    assert request.get_span_context().span_id == workflow.parent.span_id  # type: ignore[union-attr]
    assert "fsm.resumed" not in (workflow.attributes or {})


async def test_over_http_the_client_s_span_is_the_parent() -> None:
    """The header `traceparent` is the run's caller; one that is none is left out, and the run is its own root."""
    provider, noted = noting()
    runner = served_desk(observers=[trace_runs(provider)])
    async with served(runner) as client:
        for sent in (CALLER, "garbage"):
            made = await client.post(
                "/runs", json={"context": {"text": sent}}, headers={"traceparent": sent, "prefer": "wait=5"}
            )
            assert 200 == made.status_code, made.text

    noted.check()
    one, other = [span for span in noted.ended if span.name == "invoke_workflow Desk"]
    assert CALLER == f"00-{one.context.trace_id:032x}-{one.parent.span_id:016x}-01"  # type: ignore[union-attr]
    assert other.parent is None


async def test_a_cancelled_run_ends_its_spans_and_gives_the_context_back(caplog: pytest.LogCaptureFixture) -> None:
    """What was under way when the caller cancels ends in its landing; nothing is logged of contexts that differ."""
    provider, noted = noting()
    caplog.set_level(logging.WARNING)

    async def hang(visit: Visit[Seen]) -> Any:
        await asyncio.sleep(60)

    async def called() -> SpanContext:
        with provider.get_tracer("test").start_as_current_span("request"):
            try:
                await runner.run(Seen())
            except asyncio.CancelledError:
                assert asyncio.current_task().uncancel() == 0  # type: ignore[union-attr]
            return current()

    runner = Runner(Looks, model=telling(), observers=[trace_runs(provider)], agents={Looks.first: hang})
    task = asyncio.ensure_future(called())
    await asyncio.sleep(0.05)
    task.cancel()
    last = await task

    noted.check()
    assert last.span_id == next(span for span in noted.ended if span.name == "request").context.span_id
    workflow = root(noted, "Looks")
    assert "cancelled" == (workflow.attributes or {})["fsm.landing.reason"]
    assert workflow.status.status_code is StatusCode.UNSET
    assert "detach" not in caplog.text


async def test_everywhere_traces_runs_too() -> None:
    """A tracer that is made for every run in the process is told as one that a runner has."""
    provider, noted = noting()
    tracer = trace_runs(provider)
    with everywhere(lambda machine: tracer), provider.get_tracer("test").start_as_current_span("request"):
        result = await Runner(Looks, model=telling({"text": "x"})).run(Seen())

    noted.check()
    assert 6 == len(noted.ended)
    assert result.journal[0].trace_parent is not None  # type: ignore[union-attr]


async def test_a_tracer_that_raises_is_a_guest(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a tracer or a trace raises, wherever it is asked, the run goes on, and the kind is logged."""
    from fsm_orch.observe.base import Trace, Tracer

    class Broken(Trace):
        def __call__(self, record: Any) -> None:
            raise KeyError("hunter2")

        def enter(self, effect: Any) -> None:
            raise SystemExit("hunter2")

        def leave(self) -> None:
            raise KeyboardInterrupt

    class Breaking(Tracer):
        is_worse = False

        def caller(self) -> str | None:
            raise ValueError("hunter2")

        def trace(self, first: Any, made: Any, *, is_stored: bool) -> Trace:
            if self.is_worse:
                raise ValueError("hunter2")
            return Broken()

    for worse in (False, True):
        tracer = Breaking()
        tracer.is_worse = worse
        result = await Runner(Looks, model=telling({"text": "x"}), observers=[tracer]).run(Seen())
        assert result.state is Looks.done
    assert "hunter2" not in caplog.text
    assert {"KeyError", "SystemExit", "KeyboardInterrupt", "ValueError"} <= {
        word for line in caplog.messages for word in line.replace(",", " ").split()
    }


_KILLED = """
import asyncio, os, signal, sys
from fsm_orch import *
from fsm_orch.observe.otel import trace_runs
from support.otlp import noting
from support.traced import Looks, Seen
provider, noted = noting()
class Dies(ScriptedModel):
    async def complete(self, request):
        os.kill(os.getpid(), signal.SIGKILL)
runner = Runner(Looks, model=Dies([]), store="sqlite:///runs.db", observers=[trace_runs(provider)])
with provider.get_tracer("t").start_as_current_span("request"):
    asyncio.run(runner.run(Seen(), run_id="r"))
"""


@pytest.mark.slow
async def test_a_killed_worker_leaves_no_span_open_at_the_next(tmp_path: Path) -> None:
    """After kill -9 in a request the next process opens the visit anew, linked, closes the lost call, and ends all."""
    line = [sys.executable, "-c", _KILLED]
    told: dict[str, Any] = {"cwd": tmp_path, "env": environment(), "capture_output": True, "timeout": 60}
    killed = await asyncio.to_thread(subprocess.run, line, **told)
    assert -9 == killed.returncode, killed.stderr
    forget_leases(tmp_path)

    provider, noted = noting()
    store = store_at(f"sqlite:///{tmp_path / 'runs.db'}")
    result = await Runner(Looks, model=telling({"text": "x"}), store=store, observers=[trace_runs(provider)]).resume(
        "r"
    )
    store.close()

    assert result.state is Looks.done
    noted.check()
    linked = [span for span in noted.ended if span.links]
    assert ["chat script", "invoke_agent third", "invoke_workflow Looks"] == [span.name for span in linked]
    assert "usage_unknown" == (linked[0].attributes or {})["error.type"]
    assert result.journal[0].trace_parent.split("-")[1] == (  # type: ignore[union-attr]
        f"{linked[0].links[0].context.trace_id:032x}"
    )


class FailsAt(SpanProcessor):
    """Raises where a span of some name ends."""

    def __init__(self, name: str) -> None:
        self._name = name

    def on_end(self, span: ReadableSpan) -> None:
        if span.name == self._name:
            raise OSError(span.name)


@pytest.mark.parametrize("name", ["ask_human", "invoke_agent approve"])
async def test_a_span_that_cannot_be_ended_keeps_no_other_open(name: str) -> None:
    """Where a run is left, the spans around it are ended all the same."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(FailsAt(name))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    await Runner(PayBack, store=MemoryStore(), observers=[trace_runs(provider)]).run(Claim(query="x", card="y"))

    ended = {span.name for span in exporter.get_finished_spans()}
    assert {"ask_human", "invoke_agent approve", "invoke_workflow PayBack"} == ended | {name}
