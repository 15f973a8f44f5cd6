"""The plain bounds of a run."""

from hypothesis import given
from hypothesis import strategies as st

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State
from fsm_orch.definition import Definition
from fsm_orch.proof.bounds import VisitBounds, bounds


class Ticket(Context):
    query: str


def act(visit):
    return None


class Desk(Machine[Ticket]):
    """A cheap state, a dear one that may be visited twice, and code."""

    cheap = State(LLMAgent("a", max_input_tokens=90, max_output_tokens=10, calls=1), initial=True)
    dear = State(LLMAgent("b", max_input_tokens=900, max_output_tokens=100, calls=3), max_visits=2, timeout_s=2.5)
    code = State(act)
    answered, human = Final(), Final(fallback=True)
    forth = cheap.to(dear, "it is hard")
    back = dear.to(cheap, "it is easy")
    on = dear.to(code, "it is known")
    done = code.to(answered)

    limits = Limits(hops=6, tokens=7_000, visit_s=5)


def machine(agents, edges, hops):
    """Make a definition of LLM agents: a tuple (calls, grant, max_visits) each; the first is initial."""
    states = {}
    for number, (calls, grant, visits) in enumerate(agents):
        agent = LLMAgent("x", calls=calls, max_input_tokens=grant - 1, max_output_tokens=1)
        state = State(agent, initial=number == 0, max_visits=visits)
        state.name = f"s{number}"
        states[state.name] = state
    handoffs = []
    for source, target in sorted(edges):
        handoff = states[f"s{source}"].to(states[f"s{target}"], "on")
        handoff.name = f"h{source}{target}"
        handoffs.append(handoff)
    return Definition(
        name="Random",
        doc="",
        where="",
        context=Ticket,
        states=states,
        finals={},
        handoffs=tuple(handoffs),
        limits=Limits(hops=hops),
    )


def dearest_walk(definition):
    """Search every walk that rules.py allows for the dearest, one visit at a time."""

    def walk(name, hops, visits):
        state = definition.states[name]
        visits = {**visits, name: visits.get(name, 0) + 1}
        on = [
            walk(target, hops + 1, visits)
            for target in definition.successors[name]
            if hops + 2 <= definition.limits.hops
            and visits.get(target, 0) < (definition.states[target].max_visits or definition.limits.hops)
        ]
        caps = state.spec.call_limits
        return state.spec.calls * (caps.max_input_tokens + caps.max_output_tokens) + max(on, default=0)

    return walk(definition.initial.name, 0, {})


AGENTS = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 50), st.none() | st.integers(1, 4)), min_size=1, max_size=3
)
PAIRS = [(source, target) for source in range(3) for target in range(3)]


def within(agents, pairs):
    return {(source, target) for source, target in pairs if max(source, target) < len(agents)}


def test_the_dearest_visits_make_the_worst_case():
    """One visit is the initial state's; the others are the dearest that are left."""
    bound = bounds(Desk.definition)

    assert bound.dearest == (("dear", 2), ("cheap", 4))
    assert bound.worst_case == 2 * 3_000 + 4 * 100
    assert bound.verdict == "slack"


def test_a_visit_is_bounded_by_its_calls():
    """Each state is shown with its grant, its worst case, its visits and its time."""
    cheap, dear, code = bounds(Desk.definition).states

    assert cheap == VisitBounds(
        state="cheap", agent="LLMAgent", calls=1, grant=100, worst_case=100, max_visits=6, timeout_s=5
    )
    assert dear == VisitBounds(
        state="dear", agent="LLMAgent", calls=3, grant=1_000, worst_case=3_000, max_visits=2, timeout_s=2.5
    )
    assert (code.grant, code.worst_case, code.max_visits) == (0, 0, 6)


def test_a_worst_case_above_the_limit_is_guarded():
    """Limits may be overridden; the worst case does not hang on the tokens, the verdict does."""
    bound = bounds(Desk.definition, Limits(hops=6, tokens=6_399))

    assert (bound.worst_case, bound.verdict) == (6_400, "guarded")
    assert bounds(Desk.definition, Limits(hops=6, tokens=6_400)).verdict == "slack"


def test_the_initial_visit_is_never_traded_away():
    """With one hop the only visit is the initial state's, however dear another is."""
    assert bounds(Desk.definition, Limits(hops=1)).dearest == (("cheap", 1),)
    assert bounds(Desk.definition, Limits(hops=2)).dearest == (("dear", 1), ("cheap", 1))


@given(AGENTS, st.sets(st.sampled_from(PAIRS)), st.integers(1, 6))
def test_no_walk_is_dearer(agents, pairs, hops):
    """Whatever the edges, no walk that the rules allow costs more than the bound."""
    definition = machine(agents, within(agents, pairs), hops)

    assert dearest_walk(definition) <= bounds(definition).worst_case


@given(AGENTS, st.integers(1, 6))
def test_the_bound_is_reached_where_every_edge_is_there(agents, hops):
    """With all edges, the dearest walk costs exactly the bound: nothing smaller follows from visits and hops."""
    definition = machine(agents, within(agents, PAIRS), hops)

    assert dearest_walk(definition) == bounds(definition).worst_case
