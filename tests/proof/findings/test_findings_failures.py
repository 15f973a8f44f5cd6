"""Findings about failure edges that cannot be paid for."""

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State
from fsm_orch.budget import FREE
from fsm_orch.proof.findings.failures import most_spent, unaffordable
from fsm_orch.testing.strategies import machines


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


def test_a_failure_edge_is_found_where_the_worst_path_leaves_too_little():
    """The worst path there has both rounds; one token less than is needed is a finding."""
    assert list(unaffordable(Desk.definition)) == []
    (finding,) = unaffordable(limited(hops=6, tokens=7_199))

    assert (finding.code, finding.level, finding.where) == ("FSM304", "warning", Desk.saved.where)
    assert "whose first call may take 3,000 tokens, and as few as 2,999 may be left" in finding.came
    assert finding.came.endswith(": start -> work -> start -> work")
    assert finding.do.startswith("raise the limit by 1 tokens")


def test_hops_and_the_ledger_bound_what_is_spent():
    """With fewer hops one round is the most; a ledger that is short admits fewer calls."""
    assert list(unaffordable(limited(hops=4, tokens=5_100))) == []
    assert [f.code for f in unaffordable(limited(hops=4, tokens=5_099))] == ["FSM304"]
    assert most_spent(limited(hops=6, tokens=3_000))["work"].tokens == 3_000


def test_edges_that_cost_nothing_are_not_found():
    """A failure edge to a final state, or to code, is always paid for."""
    assert not any("over" in finding.came for finding in unaffordable(limited(hops=6, tokens=3_000)))


def spent_by_walking(definition):
    """Walk every path visit by visit, each call at nothing or at its maximum, and note the most spent by state."""
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
            if hops + 2 <= definition.limits.hops:
                worst[name] = max(worst.get(name, 0), spent + end)
            for target in definition.successors[name]:
                state = definition.states.get(target)
                if state is None or hops + 2 > definition.limits.hops:
                    continue
                left = definition.limits.hops if state.max_visits is None else state.max_visits
                if visits.get(target, 0) < left and spent + end + state.spec.grant(FREE).tokens <= limit:
                    walk(target, hops + 1, visits, spent + end)

    walk(definition.initial.name, 0, {}, 0)
    return worst


@settings(max_examples=60)
@given(machines(), st.integers(2, 4), st.sampled_from([160, 320, 10_000]))
def test_no_walk_spends_more(machine, hops, tokens):
    """What walks can spend is never above what is told, and where the ledger is wide it is the same."""
    definition = replace(machine.definition, limits=Limits(hops=hops, tokens=tokens))
    told = {name: spent.tokens for name, spent in most_spent(definition).items()}
    walked = spent_by_walking(definition)

    assert walked.keys() <= told.keys()
    assert all(walked[name] <= told[name] for name in walked)
    if tokens == 10_000:
        assert walked == told
