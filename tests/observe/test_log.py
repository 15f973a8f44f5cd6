"""Log lines: one a record, with every figure and no text."""

from __future__ import annotations

import io
import itertools
import json
import logging
from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
import structlog
from support.desk import BILLING, Support, Ticket
from support.random_machines import Facts

from fsm_orch import Final, Limits, Machine, Runner, RunResult, ScriptedModel, State, Visit
from fsm_orch.kernel import records
from fsm_orch.kernel.records import VisitStarted
from fsm_orch.observe.log import fields, log_records


def run(*script: Any, texts: bool = False) -> tuple[RunResult[Ticket], list[dict[str, Any]]]:
    """Run through a real structlog chain and give the lines it wrote."""
    stream = io.BytesIO()
    logger = structlog.wrap_logger(
        structlog.BytesLogger(stream),
        processors=[structlog.processors.JSONRenderer(serializer=orjson.dumps)],
    )
    runner = Runner(Support, model=ScriptedModel(script), observers=[log_records(logger, texts=texts)])
    result = runner.run_sync(Ticket(query="my secret question"), run_id="r1", thread_id="t1", trace_id="a1b2")
    return result, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_record_is_one_json_line() -> None:
    """As many lines as records, in order, each named for what happened."""
    result, lines = run({"handoff": "resolved"})

    assert [record.kind for record in result.records] == [line["event"] for line in lines]


def test_lines_carry_ids_places_and_figures() -> None:
    """Run, thread, trace, state, agent, handoff, source, target, tokens, reserved, remaining and seconds."""
    _, lines = run({"handoff": "resolved"})

    charged = next(line for line in lines if line["event"] == "call_settled")
    moved = next(line for line in lines if line["event"] == "handed_off")
    assert (charged["run_id"], charged["thread_id"], charged["trace_id"]) == ("r1", "t1", "a1b2")
    assert (charged["state"], charged["agent"]) == ("triage", "LLMAgent")
    assert charged["settled"] == charged["input_tokens"] + charged["output_tokens"]
    assert charged["settled"] + charged["reserved"] + charged["remaining"] == 10_000
    assert (moved["source"], moved["handoff"], moved["target"]) == ("triage", "resolved", "answered")
    assert all(line["seconds"] >= 0 for line in lines)


def test_a_call_is_told_with_its_model_and_time() -> None:
    """A call's line has its model, provider and own seconds beside the run's; a wait that was none is left out."""
    _, lines = run({"handoff": "resolved"})

    begun, ended = (next(line for line in lines if line["event"] == kind) for kind in ("call_reserved", "call_settled"))
    assert ("scripted:script", "scripted") == (begun["model"], begun["provider"]) == (ended["model"], ended["provider"])
    assert ended["seconds"] - begun["seconds"] == pytest.approx(ended["call_seconds"], abs=1e-5)
    assert set() == {"waited_s", "is_frequent", "summaries"} & set().union(*lines)


def test_no_key_is_taken_by_the_standard_library() -> None:
    """No key of a line is an attribute of `LogRecord`, so that the standard library takes it as `extra`."""
    taken = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
    stamped = {"run_id", "thread_id", "trace_id", *records.Stamp.__struct_fields__}
    keys = stamped.union(*(kind.__struct_fields__ for kind in get_args(records.Record)))
    _, lines = run({"handoff": "resolved"})

    assert set() == taken & keys
    assert set() == taken & set().union(*lines)
    assert all(line["thread_id"] == "t1" for line in lines)


def test_no_text_is_logged_unless_asked_for() -> None:
    """What users and models say stays out; the reason of a refusal is a word, its detail a text."""
    script = ({"handoff": "my secret idea"}, BILLING, "nonsense", "nonsense")
    quiet, loud = run(*script)[1], run(*script, texts=True)[1]

    assert "secret" not in json.dumps(quiet)
    assert "my secret idea" in json.dumps(loud)
    assert next(line["reason"] for line in quiet if line["event"] == "refused") == "unknown_handoff"
    assert quiet[-2]["reason"] == "refusal"


def work(visit: Visit[Facts]) -> None:
    """Do nothing."""


class Circle(Machine[Facts]):
    """Goes round five times."""

    first = State(work, initial=True, max_visits=5)
    second = State(work)
    done = Final()
    human = Final(fallback=True)
    on = first.to(second)
    back = second.to(first)
    out = second.to(done)
    limits = Limits(hops=20)


def test_a_state_visited_again_and_again_is_flagged() -> None:
    """The fourth visit of a state, and every later one, says that agents may be going in circles."""
    records = Runner(Circle).run_sync(Facts()).records

    visits = [record for record in records if isinstance(record, VisitStarted)]
    assert [record.visits > 3 for record in visits] == ["is_frequent" in fields(record) for record in visits]
    assert any("is_frequent" in fields(record) for record in visits)


def test_a_flag_is_a_warning() -> None:
    """The line that says it has the level of a warning, and no other line has."""
    with structlog.testing.capture_logs() as captured:
        Runner(Circle, observers=[log_records()]).run_sync(Facts())

    levels = {(line["log_level"], line.get("is_frequent", False)) for line in captured}
    assert {("info", False), ("warning", True)} == levels


def test_the_applications_own_logger_is_the_default() -> None:
    """Without a logger the lines go where the application configured structlog to send them."""
    with structlog.testing.capture_logs() as captured:
        Runner(Circle, observers=[log_records()]).run_sync(Facts())

    assert captured[0]["event"] == "run_started"


class Bound:
    """A logger that is bound once more than the one that it was made of, and notes each line by the number of that."""

    def __init__(self, number: int, lines: list[int], made: Iterator[int]) -> None:
        self.number, self.lines, self.made = number, lines, made

    def bind(self) -> Bound:
        return Bound(next(self.made), self.lines, self.made)

    def info(self, event: str, **line: Any) -> None:
        self.lines.append(self.number)

    warning = info


def test_a_logger_is_bound_once_a_run() -> None:
    """To bind it costs as much as a line; the next run is bound anew."""
    lines = list[int]()
    observe = log_records(Bound(0, lines, itertools.count(1)))
    counts = [len(Runner(Circle, observers=[observe]).run_sync(Facts()).records) for _ in range(3)]

    assert [number for number, count in enumerate(counts, 1) for _ in range(count)] == lines


def test_what_is_configured_in_between_holds_from_the_next_run_on(request: pytest.FixtureRequest) -> None:
    """For the observer that was made before."""
    request.addfinalizer(structlog.reset_defaults)
    observe, streams, counts = log_records(), [io.StringIO(), io.StringIO()], list[int]()
    for stream in streams:
        structlog.configure(
            processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(stream)
        )
        counts.append(len(Runner(Circle, observers=[observe]).run_sync(Facts()).records))

    assert counts == [len(stream.getvalue().splitlines()) for stream in streams]
