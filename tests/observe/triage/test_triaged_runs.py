"""Runs put together from their lines: they agree with what the runner returned, whatever a log has gone through."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import to_builtins
from support.each_kind import MACHINES
from support.lanes import in_both_lanes
from support.lines_of import lines_of
from support.random_machines import PLANS, build

from fsm_orch import Machine, Price, RunResult
from fsm_orch.kernel import records as told
from fsm_orch.observe.log import fields
from fsm_orch.observe.triage.faults import faults
from fsm_orch.observe.triage.lines import Tally, of_record, read
from fsm_orch.observe.triage.loops import loops
from fsm_orch.observe.triage.misroutes import misroutes
from fsm_orch.observe.triage.passed import passed
from fsm_orch.observe.triage.runs import Run, runs
from fsm_orch.observe.triage.worst import worst
from fsm_orch.testing import Tape, contexts, tapes
from fsm_orch.testing.whole_runs import attacked, pools

KINDS: dict[str, type[Machine[Any, Any]] | None] = {"random": None, **MACHINES}
PRICE = Price(input=2, output=8)


def drawn(name: str, plan: Tape, data: st.DataObject) -> RunResult[Any]:
    """Draw a run of a machine of a kind, against adversaries."""
    machine = KINDS[name] or build(plan)
    context, tape, pool = data.draw(contexts(machine)), data.draw(tapes()), data.draw(pools(machine))
    return attacked(machine, context, tape, pool, price=PRICE)


def put_together(lines: Iterable[bytes], **options: Any) -> tuple[list[Run], Tally]:
    tally = Tally()
    return list(runs(read(lines, tally), tally, **options)), tally


def answers(lines: Iterable[Any]) -> list[Any]:
    """Give what every command would show of these records."""
    tally = Tally()
    seen = list(runs(lines, tally))
    found: list[Any] = [loops(seen, {}, now_s=0), worst(seen, top=5), misroutes(seen, {}), faults(seen)]
    return [to_builtins(each) for each in found]


@in_both_lanes(few=4, many=15, most=60)
@pytest.mark.parametrize("name", KINDS)
def test_a_log_agrees_with_what_the_runner_returned(name: str, examples: int) -> None:
    """Path, tokens, cost, calls, landing and end are those of the result, and each machine inside is told once."""

    @settings(max_examples=examples, deadline=None)
    @given(PLANS, st.data())
    def every_run(plan: Tape, data: st.DataObject) -> None:
        result = drawn(name, plan, data)
        seen, tally = put_together(lines_of(result.records))
        *inside, run = seen

        assert [tuple(hop) for hop in result.path] == [tuple(hop) for hop in run.path]
        assert (result.charged_tokens, result.status == "finished") == (run.tokens, run.ended)
        assert result.state.name == run.state
        assert (result.landing and result.landing.reason) == (run.landing and run.landing[1])
        settled = [r for r in result.records if isinstance(r, told.CallSettled)]
        extra = [r for r in result.records if isinstance(r, told.Overspent)]
        assert sum(r.cost for r in [*settled, *extra]) == run.cost
        assert len(settled) == run.calls
        begun = sum(isinstance(r, told.RunStarted) and bool(r.stamp.path) for r in result.records)
        assert begun == len(inside) == sum(one.is_inside for one in inside)
        assert (tally.lines, tally.lines, 1) == (len(result.records), tally.records, tally.runs)

    every_run()


@in_both_lanes(few=3, many=10, most=40)
@pytest.mark.parametrize("name", KINDS)
def test_a_log_and_a_store_give_the_same_answers(name: str, examples: int) -> None:
    """What is folded from a journal, and was never logged, is told like what was."""

    @settings(max_examples=examples, deadline=None)
    @given(PLANS, st.data())
    def every_run(plan: Tape, data: st.DataObject) -> None:
        records = drawn(name, plan, data).records
        stored = [of_record(fields(record), record.kind, 5.0) for record in records]
        tally = Tally()

        logged = read(lines_of(records, at="1970-01-01T00:00:05Z"), tally)
        assert answers(stored) == answers(logged)
        assert passed(read(lines_of(records), tally), "", {}) == passed(stored, "", {})

    every_run()


@settings(max_examples=15, deadline=None)
@given(PLANS, st.data())
def test_a_log_may_be_cut_at_any_byte(plan: Tape, data: st.DataObject) -> None:
    """Nothing raises; what was read before the cut counts, and the line that was cut is said."""
    whole = b"".join(lines_of(drawn("random", plan, data).records))
    cut = data.draw(st.integers(0, len(whole)))
    for part in (whole[:cut], whole[cut:]):
        lines = part.splitlines(keepends=True)
        seen, tally = put_together(lines)
        answers(read(lines, Tally()))

        assert len(lines) == tally.lines == tally.records + tally.foreign + tally.damaged
        assert tally.foreign + tally.damaged <= 1
        assert len(seen) >= (tally.records > 0)


@settings(max_examples=30, deadline=None)
@given(PLANS, st.data())
def test_lines_may_come_twice_and_runs_in_any_order(plan: Tape, data: st.DataObject) -> None:
    """A hop whose line is read twice was taken once, and answers do not depend on which run came first."""
    one = lines_of(drawn("random", plan, data).records)
    other = [line.replace(b'"run"', b'"nur"').replace(b'"run_id":"', b'"run_id":"z') for line in one]
    order = data.draw(st.lists(st.booleans(), min_size=2 * len(one), max_size=2 * len(one)))
    waiting = [one[::-1], other[::-1]]
    mixed = [waiting[which].pop() for which in order if waiting[which]]
    mixed += [*waiting[0][::-1], *waiting[1][::-1]]

    assert answers(read([*one, *other], Tally())) == answers(read([*other, *one], Tally()))
    assert answers(read([*one, *other], Tally())) == answers(read(mixed, Tally()))
    twice = [line for line in one for _ in range(2) if b'"run_finished"' not in line] + one[-1:]
    (again,), (run,) = put_together(twice)[0], put_together(one)[0]
    assert run.path == again.path
    assert run.tokens == again.tokens


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["random", "parallel in a nested machine"]), PLANS, st.data())
def test_runs_of_equal_ids_are_told_apart_by_their_machines(name: str, plan: Tape, data: st.DataObject) -> None:
    """However their lines are interleaved, those of machines inside them, too; nothing is mixed up then."""
    one = lines_of(drawn(name, plan, data).records)
    other = [re.sub(rb'"(machine|root)":"', rb'"\1":"Other', line) for line in one]
    order = data.draw(st.lists(st.booleans(), min_size=2 * len(one), max_size=2 * len(one)))
    waiting = [one[::-1], other[::-1]]
    mixed = [waiting[which].pop() for which in order if waiting[which]]
    mixed += [*waiting[0][::-1], *waiting[1][::-1]]
    seen, tally = put_together(mixed)

    assert sorted(facts(put_together(one)[0] + put_together(other)[0])) == sorted(facts(seen))
    assert 0 == tally.mixed
    alone = [passed(read(part, Tally()), "", {})[:1] for part in (one, other)]
    found = {told.machine: told for told in passed(read(mixed, Tally()), "", {})}
    assert {told.machine: told for each in alone for told in each} == found


def facts(seen: Iterable[Run]) -> list[Any]:
    """Give what was put together of each run."""
    return [(run.machine.name, run.place, run.path, run.tokens, run.cost, run.calls, run.ended) for run in seen]


def test_of_too_many_open_runs_the_most_silent_is_let_go() -> None:
    """Memory is of so many runs at most; the others are counted as they stood, and that is said."""

    def line(number: int, event: str, **more: Any) -> bytes:
        hop = {"source": "a", "handoff": "h", "target": "b", "hops": 1}
        return orjson.dumps({"event": event, "run_id": f"r{number}", "state": "b", **hop, **more})

    lines = [line(number, "handed_off", settled=number) for number in range(10)]
    lines.insert(3, line(0, "visit_started"))
    seen, tally = put_together(lines, most_open=3)

    assert (7, 10, 10) == (tally.dropped, tally.runs, tally.unfinished)
    assert ["r1", "r2", "r0"] == [run.run_id for run in seen[:3]]
    assert Counter(f"r{number}" for number in range(10)) == Counter(run.run_id for run in seen)


def test_of_too_many_machines_inside_the_runs_most_silent_are_let_go() -> None:
    """Few runs may have many machines inside, so these have a bound of their own, over all runs."""

    def line(number: int, inside: int) -> bytes:
        within = {"run_id": f"r{number}:1.{inside}", "path": f"1.{inside}", "machine": "Part", "root": "Whole"}
        return orjson.dumps({"event": "visit_started", "state": "b", **within})

    lines = [line(number, inside) for number in range(4) for inside in range(3)]
    seen, tally = put_together(lines, most_open=6)

    assert (2, 4) == (tally.dropped, tally.runs)
    assert ["r0", "r1", "r2", "r3"] == [run.run_id for run in seen if not run.is_inside]


def test_what_is_told_after_the_end_is_no_run() -> None:
    """A call whose true size is known late belongs to a run that is over, and costs it nothing."""
    late = {"event": "overspent", "run_id": "r", "state": "done", "cost": 5, "tokens": 5}
    end = {"event": "run_finished", "run_id": "r", "state": "done"}
    (run,), tally = put_together([orjson.dumps(end), orjson.dumps(late)])

    assert (1, 0) == (tally.runs, run.cost)
