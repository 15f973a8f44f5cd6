"""Findings about failure edges that cannot be paid for."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.random_machines import MACHINES

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State
from fsm_orch.amounts import FREE
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.findings import failures
from fsm_orch.proof.findings.failures import most_spent


class Ticket(Context):
    query: str


def model(tokens, calls=1):
    return LLMAgent(f"Spend {tokens}.", max_input_tokens=tokens - 10, max_output_tokens=10, calls=calls)


class Desk(Machine[Ticket]):
    """A cycle that can be gone round twice, and a dear rescue."""

    start = State(model(100), initial=True)
    work = State(model(1_000, calls=2), max_visits=2)
    rescue = State(model(3_000))
    answered, human = Final(), Final(fallback=True)
    on = start.to(work, "on")
    back = work.to(start, "back")
    done = (work | rescue).to(answered, "done")
    saved = work.on_failure(rescue)
    over = start.on_timeout(human)
    limits = Limits(hops=6, tokens=7_200)


def limited(**limits):
    return replace(Desk.definition, limits=Limits(**limits))


def unaffordable(definition):
    return failures.unaffordable(definition, certify(definition))


def test_a_failure_edge_is_found_where_the_worst_path_leaves_too_little():
    """The worst path there has both rounds; one token less than is needed is a finding."""
    assert list(unaffordable(Desk.definition)) == []
    (finding,) = unaffordable(limited(hops=6, tokens=7_199))

    assert (finding.code, finding.level, finding.where) == ("FSM304", "warning", Desk.saved.where)
    assert "whose first call may take 3,000 tokens, and as few as 2,999 may be left" in finding.problem
    assert finding.problem.endswith(": start -> work -> start -> work")
    assert finding.fix.startswith("raise the limit, Limits(hops=6, tokens=7_200), or hand failures to code")


def test_the_limit_that_is_advised_is_enough():
    """However low the limit is, one step is enough: calls that may then be made are reckoned with."""
    for tokens in (3_000, 4_999, 7_199):
        (finding,) = unaffordable(limited(hops=6, tokens=tokens))
        advised = eval(finding.fix.removeprefix("raise the limit, ").partition(", or hand")[0])

        assert advised == Limits(hops=6, tokens=7_200)
        assert list(unaffordable(replace(Desk.definition, limits=advised))) == []


@pytest.mark.slow
@settings(max_examples=150)
@given(MACHINES, st.integers(3, 6), st.sampled_from([160, 320, 800]))
def test_on_random_machines_what_is_advised_is_enough(machine, hops, tokens):
    """Raised as a finding says, the limit leaves nothing to find of its edge."""
    definition = replace(machine.definition, limits=Limits(hops=hops, tokens=tokens))
    for finding in unaffordable(definition):
        advised = eval(finding.fix.removeprefix("raise the limit, ").partition(", or hand")[0])
        event("advised")

        left = unaffordable(replace(definition, limits=advised))
        assert finding.problem.partition(",")[0] not in [other.problem.partition(",")[0] for other in left]


def test_a_worst_case_that_fits_leaves_nothing_to_find():
    """A state that failed in its last visit cannot be entered again, so what it would cost is not needed."""

    class Retry(Machine[Ticket]):
        work = State(model(1_000), initial=True, max_visits=2)
        answered, human = Final(), Final(fallback=True)
        done = work.to(answered, "done")
        again = work.on_failure(work)
        limits = Limits(tokens=2_000)

    assert list(unaffordable(Retry.definition)) == []


def test_hops_and_the_ledger_bound_what_is_spent():
    """With fewer hops one round is the most; a ledger that is short admits fewer calls."""
    assert list(unaffordable(limited(hops=4, tokens=5_100))) == []
    assert [f.code for f in unaffordable(limited(hops=4, tokens=5_099))] == ["FSM304"]
    assert {
        spent.tokens for (name, _), spent in most_spent(limited(hops=6, tokens=3_000)).items() if name == "work"
    } == {3_000}


def test_an_edge_that_visits_close_is_not_found():
    """Where the target has no visit left when the money is gone, it is not the money that is missing."""

    def model(words, calls=1):
        return LLMAgent(words, must_not=("x",), max_input_tokens=500, max_output_tokens=500, calls=calls)

    class Once(Machine[Ticket]):
        a = State(model("a"), initial=True)
        b, c = State(model("b"), max_visits=1), State(model("c"), max_visits=1)
        d = State(model("d", calls=3), max_visits=1)
        done, human = Final(), Final(fallback=True)
        to_b, to_c, to_d = a.to(b, "b"), a.to(c, "c"), a.to(d, "d")
        b_to_c, from_c, from_b, from_d = b.to(c, "c"), c.to(done, "ok"), b.to(done, "ok"), d.to(done, "ok")
        over = c.on_failure(b)
        limits = Limits(tokens=3_000)

    assert list(unaffordable(Once.definition)) == []


def test_edges_that_cost_nothing_are_not_found():
    """A failure edge to a final state, or to code, is always paid for."""
    assert not any("over" in finding.problem for finding in unaffordable(limited(hops=6, tokens=3_000)))


def spent_by_walking(definition):
    """Walk every path, each call at nothing or at its maximum, and note the most spent before each next state."""
    worst, limit = {}, definition.limits.tokens

    def walk(name, hops, visits, spent):
        spec = definition.states[name].spec
        grant, visits = spec.grant(FREE).tokens, {**visits, name: visits.get(name, 0) + 1}
        ends = {
            sum(calls)
            for used in range(spec.calls + 1)
            for calls in itertools.product((0, grant), repeat=used)
            if all(spent + sum(calls[:n]) + grant <= limit for n in range(used))
        }
        for end in ends:
            for target in definition.successors[name]:
                state = definition.states.get(target)
                if state is None or hops + 2 > definition.limits.hops:
                    continue
                left = definition.limits.hops if state.max_visits is None else state.max_visits
                if visits.get(target, 0) < left:
                    worst[name, target] = max(worst.get((name, target), 0), spent + end)
                if visits.get(target, 0) < left and spent + end + state.spec.grant(FREE).tokens <= limit:
                    walk(target, hops + 1, visits, spent + end)

    for start in definition.starts:
        walk(start, 0, {}, 0)
    return worst


@settings(max_examples=60)
@given(MACHINES, st.integers(2, 4), st.sampled_from([160, 320, 10_000]))
def test_no_walk_spends_more(machine, hops, tokens):
    """What walks can spend is never above what is told, and where the ledger is wide it is the same."""
    definition = replace(machine.definition, limits=Limits(hops=hops, tokens=tokens))
    told = {places: spent.tokens for places, spent in most_spent(definition).items()}
    walked = spent_by_walking(definition)

    assert walked.keys() <= told.keys()
    assert all(walked[name] <= told[name] for name in walked)
    if tokens == 10_000:
        assert walked == told
