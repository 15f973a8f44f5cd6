"""Metrics: what runs do is counted once, under names of the definition alone, and given out beside the event loop."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
from collections import Counter as Counted
from collections.abc import Iterable
from typing import Any

import httpx2
import prometheus_client
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from starlette.routing import Route
from support.approvals import Claim, PayBack
from support.each_kind import MACHINES
from support.random_machines import Facts
from support.servers import of_prometheus
from support.serving import client_of, listening

from fsm_orch import Context, Final, LLMAgent, Machine, MemoryStore, Nested, Runner, ScriptedModel, State, Visit
from fsm_orch.kernel import records
from fsm_orch.kernel.records import Record
from fsm_orch.observe import everywhere
from fsm_orch.observe.load import Load
from fsm_orch.observe.places import UNKNOWN, Places
from fsm_orch.observe.prometheus import Metrics
from fsm_orch.resilience import Admission, Breaker, Gate
from fsm_orch.testing import runs

LATER = {"agent_guard_errors_total", "agent_call_seconds", "agent_wait_seconds", "agent_refusals_total"}
"""Metrics with series that no definition tells of: of models, of guards, of what a function can be refused for."""

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(registry: CollectorRegistry) -> Samples:
    """Return what a registry holds."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    }


def told(held: Samples, name: str, *labels: str) -> Counted[Any]:
    """Return the values of a metric by the last parts of some labels; those of 0 are left out."""
    found = Counted[Any]()
    for (each, pairs), value in held.items():
        if each == name and value:
            found[tuple(dict(pairs)[label].rpartition(".")[2] for label in labels)] += value  # type: ignore[assignment]
    return found


def counted(machine: Any, made: Iterable[Record]) -> tuple[Samples, Samples]:
    """Return what is there before anything happens, and what there is after some records."""
    registry = CollectorRegistry()
    observe = Metrics(registry).of(machine)
    before = samples(registry)
    for record in made:
        observe(record)
    return before, samples(registry)


def kinds(made: Iterable[Record], kind: type[Any], *fields: str) -> Counted[Any]:
    """Return how many records of a kind there are, by some of their fields."""
    return Counted(tuple(getattr(record, field) for field in fields) for record in made if isinstance(record, kind))


@pytest.mark.slow
@pytest.mark.parametrize("name", MACHINES)
def test_each_record_is_counted_once(name: str) -> None:
    """Whatever a run does, sums are those of its records, and no state has a series that its definition did not."""
    machine = MACHINES[name]

    @settings(max_examples=12)
    @given(runs(machine))
    def check(run: Any) -> None:
        made = run.records
        before, after = counted(machine, made)

        moved = Counted((each.source, each.handoff) for each in made if isinstance(each, records.HandedOff))
        moved += Counted((each.source, "landing") for each in made if isinstance(each, records.Landed))
        assert moved == told(after, "agent_handoff_count_total", "source", "handoff")
        assert kinds(made, records.Landed, "source", "reason") == told(
            after, "agent_landings_total", "source", "reason"
        )
        assert kinds(made, records.Refused, "reason") == told(after, "agent_refusals_total", "reason")
        assert kinds(made, records.AttemptFailed, "reason") == told(after, "agent_errors_total", "reason")
        assert kinds(made, records.VisitStarted) == told(after, "agent_visits_total")
        settled = [each for each in made if isinstance(each, records.CallSettled | records.Overspent)]
        assert sum(each.tokens for each in settled) == told(after, "agent_tokens_total")[()]
        ended = told(after, "agent_calls_total", "outcome")
        assert ended[("denied",)] == sum(kinds(made, records.CallDenied).values())
        assert ended[("released",)] == sum(kinds(made, records.CallReleased).values())
        assert ended[("settled",)] + ended[("unknown",)] == sum(kinds(made, records.CallSettled).values())
        machine_name = frozenset({("machine", machine.definition.name)})
        assert after["agent_request_handoffs_sum", machine_name] == made[-1].stamp.hops
        assert after["agent_request_tokens_sum", machine_name] == made[-1].stamp.settled
        new = {sample for sample, _ in after.keys() - before.keys()}
        assert not {each for each in new if not each.startswith(tuple(LATER))}

    check()


@settings(max_examples=40)
@given(st.data())
def test_a_run_that_was_taken_over_is_counted_too(data: st.DataObject) -> None:
    """Where another process has seen which parts a run has, its states are known by name and depth, or counted."""
    name = data.draw(st.sampled_from(sorted(MACHINES)))
    made = data.draw(runs(MACHINES[name])).records
    seen = made[data.draw(st.integers(0, len(made) - 1)) :]
    _, after = counted(MACHINES[name], seen)

    places = {*MACHINES[name].definition.places, UNKNOWN}
    visits = [dict(labels)["agent"] for (metric, labels), _ in after.items() if metric == "agent_visits_total"]
    assert places >= set(visits)
    assert sum(kinds(seen, records.VisitStarted).values()) == told(after, "agent_visits_total")[()]


def test_every_edge_is_there_at_the_start() -> None:
    """All handoffs and landings of the tree are at 0 before any run, named by the places of their states."""
    before, _ = counted(MACHINES["parallel in a nested machine"], ())

    edges = [dict(labels) for (name, labels), value in before.items() if name == "agent_handoff_count_total"]
    places = MACHINES["parallel in a nested machine"].definition.places
    assert set(places) == {edge["source"] for edge in edges}
    assert any("." in edge["source"] for edge in edges)
    assert {edge["source"].rpartition(".")[0] for edge in edges} == {
        edge["target"].rpartition(".")[0] for edge in edges
    }
    assert set(places) == {edge["source"] for edge in edges if edge["handoff"] == "landing"}
    assert {0.0} == set(before.values())


async def test_humans_are_counted() -> None:
    """A question is counted when it is asked, and its answer when that came."""
    registry = CollectorRegistry()
    runner = Runner(PayBack, store=MemoryStore(), observers=[Metrics(registry).of(PayBack)])
    of = {"machine": "PayBack", "agent": "approve"}

    await runner.run(Claim(query="two shoes", card="42"), run_id="r1")
    asked = registry.get_sample_value("agent_questions_total", of), registry.get_sample_value("agent_answers_total", of)
    await runner.resume("r1", {"handoff": "yes"})
    answered = registry.get_sample_value("agent_answers_total", of)

    assert ((1.0, 0.0), 1.0) == (asked, answered)


def nothing(visit: Visit[Facts]) -> None:
    """Do nothing."""


class Slow(Machine[Facts]):
    """Waits for a gate of the test's."""

    wait = State(nothing, initial=True)
    done = Final()
    human = Final(fallback=True)
    end = wait.to(done)


async def test_what_there_is_to_do_is_given_out() -> None:
    """Runs under way, runs in line, attempts in line and shut agents are told as they are when somebody asks."""
    held = asyncio.Event()

    class Held:
        spec = Slow.wait.spec

        async def act(self, visit: Visit[Facts]) -> Any:
            await held.wait()
            if visit.context.count == 9:
                raise ValueError

    gate = Gate(at_once=1, queue=5, breaker=Breaker(failures=1))
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    runner = Runner(
        Slow, agents={Slow.wait: Held()}, gates={Slow.wait: gate}, admission=Admission(3), observers=[metrics.of(Slow)]
    )
    metrics.watch(runner)

    async def now() -> tuple[float | None, ...]:
        await metrics.exposed()
        names = ("agent_runs_active", "agent_runs_queued", "agent_gate_queued", "agent_gate_shut")
        labels = {"machine": "Slow"}
        of = [labels, labels, {**labels, "agent": "wait"}, {**labels, "agent": "wait"}]
        return tuple(registry.get_sample_value(name, each) for name, each in zip(names, of, strict=True))

    before = await now()
    going = [asyncio.ensure_future(runner.run(Facts(count=each))) for each in (9, 0, 0, 0, 0)]
    for _ in range(20):
        await asyncio.sleep(0)
    meanwhile = await now()
    held.set()
    await asyncio.gather(*going)

    assert [(0, 0, 0, 0), (3, 2, 2, 0), (0, 0, 0, 1)] == [before, meanwhile, await now()]


async def test_one_observer_serves_every_runner() -> None:
    """`everywhere(metrics.of)` counts the runs of all machines, each of which has one observer."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)

    with everywhere(metrics.of):
        for _ in range(2):
            await Runner(Slow).run(Facts(count=0))

    assert metrics.of(Slow) is metrics.of(Slow.definition)
    assert 2.0 == registry.get_sample_value("agent_request_handoffs_count", {"machine": "Slow"})


async def test_it_is_a_route_beside_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """`GET /metrics` answers in Prometheus' format, written in another thread; `HEAD` alike, and nothing else."""
    threads: list[int] = []
    write = prometheus_client.generate_latest
    monkeypatch.setattr(
        "fsm_orch.observe.prometheus.generate_latest", lambda held: threads.append(threading.get_ident()) or write(held)
    )
    metrics = Metrics()
    metrics.of(Slow)
    app = FastAPI()
    app.routes.append(Route("/metrics", metrics))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://here") as client:
        got, head, posted = [await client.request(method, "/metrics") for method in ("GET", "HEAD", "POST")]

    assert (200, 200, 405) == (got.status_code, head.status_code, posted.status_code)
    assert got.headers["content-type"] == metrics.content_type
    assert 'agent_visits_total{agent="wait",machine="Slow"} 0.0' in got.text
    assert ("", got.headers["content-length"]) == (head.text, head.headers["content-length"])
    assert {threading.get_ident()} != set(threads) != set()


async def test_it_is_an_application_of_its_own() -> None:
    """Served alone, as on a port that only Prometheus reaches, it answers at any path."""
    metrics = Metrics()
    metrics.of(Slow)
    async with listening(metrics) as url, client_of(url) as client:
        got = await client.get("/")

    assert (200, await metrics.exposed()) == (got.status_code, got.content)


async def test_metrics_of_the_application_stay_as_they_are() -> None:
    """Ours have no `_created`; those of an application that shares its registry keep theirs."""
    registry = CollectorRegistry()
    prometheus_client.Counter("orders", "Orders.", registry=registry).inc()
    metrics = Metrics(registry)
    metrics.of(Slow)

    text = (await metrics.exposed()).decode()

    assert "orders_created" in text
    assert [] == [line for line in text.splitlines() if "_created" in line and "agent_" in line]
    assert "agent_" not in prometheus_client.generate_latest().decode()


async def test_what_is_given_out_is_clean() -> None:
    """`promtool check metrics` finds nothing to say of any metric."""
    metrics = Metrics()
    runner = Runner(Slow, gates={Slow.wait: Gate(at_once=1)}, observers=[metrics.of(Slow)])
    metrics.of(PayBack)
    metrics.watch(runner)
    await runner.run(Facts(count=0))
    text = await metrics.exposed()

    done = await asyncio.to_thread(
        subprocess.run, [of_prometheus("promtool"), "check", "metrics"], input=text, capture_output=True, check=False
    )

    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)
    assert {"agent_visits_total", "agent_gate_shut"} <= set(re.findall(r"# TYPE (\w+)", text.decode()))


def test_no_metric_is_registered_twice() -> None:
    """Two sets of metrics in one registry are refused, as the library says it."""
    registry = CollectorRegistry()
    Metrics(registry)

    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Metrics(registry)


class Asked(Context):
    """What is asked."""

    query: str
    answer: str | None = None


class Replies(Machine[Asked]):
    """Has a model reply."""

    reply = State(LLMAgent("Reply.", reads=Asked.query, writes=Asked.answer), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = reply.to(done)


async def test_a_runner_that_is_watched_twice_is_counted_once() -> None:
    """However often an application says so, its runs are those of one runner."""
    metrics, model = Metrics(), ScriptedModel([{"answer": "x"}], delay_s=0.1)
    runner = Runner(Replies, model=model, observers=[metrics.of(Replies)])
    metrics.watch(runner)
    metrics.watch(runner)
    under_way = asyncio.create_task(runner.run(Asked(query="x")))
    await asyncio.sleep(0)
    exposed = (await metrics.exposed()).decode()
    await under_way

    assert 'agent_runs_active{machine="Replies"} 1.0' in exposed


@pytest.mark.parametrize("given", [None, PayBack, Runner, object()])
async def test_what_is_no_runner_is_refused_and_not_watched(given: Any) -> None:
    """It raises where it is given, and not at each scrape."""
    metrics = Metrics()
    with pytest.raises(TypeError, match=r"Metrics.watch takes a runner, not .*: metrics.watch\(Runner\(Shop\)\)"):
        metrics.watch(given)

    assert b"agent_runs_active" in await metrics.exposed()


async def test_models_are_no_more_labels_than_there_may_be() -> None:
    """However many names come, of whatever machines, the series are bounded, and no call is left out of the count."""
    metrics = Metrics()
    observers = [metrics.of(Replies), metrics.of(PayBack)]
    run = await Runner(Replies, model=ScriptedModel([{"answer": "x"}])).run(Asked(query="x"))
    (settled,) = [record for record in run.records if isinstance(record, records.CallSettled)]
    for n in range(2_000):
        observers[n % 2](replace(settled, model=f"own:{n}"))
    lines = [line for line in (await metrics.exposed()).decode().splitlines() if "agent_call_seconds_count{" in line]

    assert 50 + 2 == len(lines)
    assert 2_000 == sum(float(line.split()[-1]) for line in lines)
    assert {"975.0"} == {line.split()[-1] for line in lines if 'model="other"' in line}


class Unsteady:
    """Whose load can be asked for once."""

    definition = Replies.definition
    asked = 0

    @property
    def load(self) -> Load:
        """Raise from the second time on."""
        self.asked += 1
        if self.asked > 1:
            raise OSError("sk-secret")
        return Load(running=0, waiting=0, gates={})


async def test_a_load_that_raises_ends_no_scrape(caplog: pytest.LogCaptureFixture) -> None:
    """What others have to do is given out; it is logged who could not say, and not what was said."""
    metrics, runner = Metrics(), Runner(PayBack)
    metrics.watch(Unsteady())
    caplog.clear()
    metrics.watch(runner)
    exposed = (await metrics.exposed()).decode()

    assert 'agent_runs_active{machine="PayBack"} 0.0' in exposed
    unsteady = "what test_prometheus.Unsteady has to do is not counted: its load raised OSError"
    assert [unsteady] * 2 == caplog.messages


@pytest.mark.slow
@pytest.mark.parametrize("others", [(), (Unsteady(),)], ids=["alone", "beside one that cannot say"])
def test_what_ended_with_its_loop_is_looked_at_once_more(
    others: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Of several processes one that is idle has nothing to do, though nobody asks it and its last loop is closed."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    registry = CollectorRegistry()
    metrics, model = Metrics(registry), ScriptedModel([{"answer": "x"}], delay_s=0.5)
    runner = Runner(Replies, model=model, observers=[metrics.of(Replies)])
    for each in (*others, runner):
        metrics.watch(each)

    def active() -> float | None:
        return registry.get_sample_value("agent_runs_active", {"machine": "Replies"})

    runner.run_sync(Asked(query="x"))
    while_it_ran = active()
    for _ in range(100):
        if not active():
            break
        threading.Event().wait(0.05)

    assert (1.0, 0.0) == (while_it_ran, active())


class Middle(Machine[Asked]):
    """Has a machine reply."""

    reply = State(Nested(Replies, writes=Asked.answer), initial=True)
    done = Final()
    human = Final(fallback=True)
    end = reply.to(done)
    lost = reply.on_failure(human)


class Twice(Machine[Asked]):
    """Has the same machine reply twice, and in it the same again."""

    first = State(Nested(Middle, writes=Asked.answer), initial=True)
    second = State(Nested(Middle, writes=Asked.answer))
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    end = second.to(done)
    lost = (first | second).on_failure(human)


def test_a_machine_that_stands_in_several_places_is_counted_at_each() -> None:
    """Equal names in a tree are told apart by who asked for their machines, at every depth, and none is unknown."""
    made = list[Record]()
    model = ScriptedModel([{"answer": "x"}] * 2)
    Runner(Twice, model=model, observers=[made.append]).run_sync(Asked(query="x"), run_id="of:a:shop")
    _, after = counted(Twice, made)
    visits = {dict(pairs)["agent"]: n for (name, pairs), n in after.items() if name == "agent_visits_total"}

    assert dict.fromkeys(Twice.definition.places, 1.0) == visits


def test_nothing_is_remembered_of_a_run_that_has_ended() -> None:
    """Neither of it, nor of the machines inside it."""
    places, made = Places(Twice.definition), list[Record]()
    Runner(Twice, model=ScriptedModel([{"answer": "x"}] * 2), observers=[made.append]).run_sync(Asked(query="x"))
    for record in made:
        if isinstance(record, records.Asked):
            places.note(record, places.of(record.stamp, record.stamp.state))
    places.forget(made[0].stamp.run_id)

    assert not places._parts
