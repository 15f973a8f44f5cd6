"""Findings about what a run can afford."""

from dataclasses import replace
from fractions import Fraction

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, Parallel, State
from fsm_orch.amounts import FREE, Price
from fsm_orch.proof.bounds.certify import certify
from fsm_orch.proof.findings.affordable import (
    dollars,
    guarded,
    no_answer_fits,
    no_way_out,
    out_of_reach,
    slack,
    unpriced,
)


class Ticket(Context):
    query: str


def model(tokens, calls=1):
    return LLMAgent(f"Spend {tokens}.", max_input_tokens=tokens - 10, max_output_tokens=10, calls=calls)


def act(visit):
    return None


class Ways(Machine[Ticket]):
    """Two ways to an answer: one short and dear, one long and cheap."""

    start = State(model(100), initial=True)
    dear = State(model(5_000))
    cheap = State(model(300))
    code = State(act)
    answered, human = Final(), Final(fallback=True)
    to_dear = start.to(dear, "hard")
    to_cheap = start.to(cheap, "easy")
    on = cheap.to(code, "on")
    done = (dear | code).to(answered, "done")
    limits = Limits(hops=4, tokens=9_000)


def limited(**limits):
    return replace(Ways.definition, limits=Limits(**limits))


def test_limits_that_fit_are_not_found():
    """The machine's own limits admit every state and the cheapest answer."""
    assert [*out_of_reach(Ways.definition, {}), *no_answer_fits(Ways.definition, {})] == []


def test_a_state_too_many_hops_away_is_found():
    """A visit begins at most at the last hop but one."""
    (finding,) = out_of_reach(limited(hops=2), {})

    assert (finding.code, finding.level, finding.where) == ("FSM301", "error", Ways.code.where)
    assert "'code' is 2 hops away: start -> cheap -> code; of 2 the last is kept" in finding.problem
    assert "Limits(hops=3)" in finding.fix
    (finding,) = out_of_reach(limited(hops=2, tokens=9_000, visit_s=0.5), {})
    assert "Limits(hops=3, tokens=9_000, visit_s=0.5)" in finding.fix
    assert list(out_of_reach(limited(hops=3), {})) == []


def test_a_state_too_dear_is_found():
    """Money needs prices, which a class that is built does not have."""
    prices = {"dear": Price(Fraction(2), Fraction(2)), "start": Price(Fraction(1), Fraction(1))}

    (finding,) = out_of_reach(limited(cost_usd="0.009999"), prices)
    assert finding.problem == "the first call of 'dear' may cost $0.01, a run $0.009999"
    assert list(out_of_reach(limited(cost_usd="0.01"), prices)) == []
    assert list(out_of_reach(limited(tokens=1), prices)) == []


def test_the_cheapest_answer_is_told_where_it_does_not_fit():
    """The cheapest path counts, not the shortest, as far as the hops allow."""
    (finding,) = no_answer_fits(limited(tokens=399), {})

    assert (finding.code, finding.level) == ("FSM302", "warning")
    assert "needs 400 tokens" in finding.problem
    assert "the limit is 399 tokens: start -> cheap -> code -> answered" in finding.problem
    assert list(no_answer_fits(limited(tokens=400), {})) == []
    (shorter,) = no_answer_fits(limited(tokens=400, hops=2), {})
    assert "needs 5,100 tokens" in shorter.problem
    assert list(no_answer_fits(limited(tokens=400, hops=1), {})) == []


def test_the_fallback_is_no_answer():
    """A path that leads to it is not counted, however cheap; defaults that nobody chose are no slack."""

    class Desk(Machine[Ticket]):
        start = State(model(100), initial=True)
        dear = State(model(5_000))
        answered, human = Final(), Final(fallback=True)
        give_up = start.to(human, "too hard")
        on = start.to(dear, "easy")
        done = dear.to(answered, "done")
        limits = Limits(tokens=5_050)

    (finding,) = no_answer_fits(Desk.definition, {})
    assert "needs 5,100 tokens" in finding.problem
    assert list(slack(Desk.definition, certify(Desk.definition))) == []


def test_the_cheapest_answer_in_money_is_another():
    """Each measure has its own cheapest path."""
    prices = {"cheap": Price(Fraction(100), Fraction(100))}

    assert list(no_answer_fits(limited(cost_usd="0.000001"), prices)) == []
    prices["dear"] = Price(Fraction(1), Fraction(1))
    (finding,) = no_answer_fits(limited(cost_usd="0.004999"), prices)
    assert "needs $0.005" in finding.problem
    assert "the limit is $0.004999: start -> dear -> answered" in finding.problem


def certified(prices=None, **limits):
    definition = limited(**limits)
    return definition, certify(definition, prices=prices)


FREE_OR_NOT = {name: Price(Fraction(50), Fraction(50)) for name in ("start", "dear", "cheap")}


def test_limits_that_are_never_reached_are_noted():
    """A note for each measure, with the number that would do."""
    found = list(slack(*certified(FREE_OR_NOT, hops=4, tokens=16_000, cost_usd="1")))

    assert [(f.code, f.level) for f in found] == [("FSM303", "note")] * 3
    assert [f.fix.partition("Limits")[2] for f in found] == [
        '(hops=3, tokens=16_000, cost_usd="1") would do',
        '(hops=4, tokens=5_100, cost_usd="1") would do',
        '(hops=4, tokens=16_000, cost_usd="0.255") would do',
    ]
    assert "the worst takes 5,100, the limit is 16,000" in found[1].problem


def test_a_cost_limit_needs_models_of_known_price():
    """Where cost is limited, a model that is named and of no known price keeps every run from starting."""
    models = {"start": "compatible:m", "dear": "openai:o", "cheap": "compatible:m"}
    prices = {"dear": Price(Fraction(1), Fraction(1))}
    (finding,) = unpriced(limited(cost_usd="1"), prices, models)

    assert (finding.code, finding.level, finding.where) == ("FSM306", "error", Ways.start.where)
    assert "the price of 'compatible:m', the model of 'start', 'cheap', is not known" in finding.problem
    assert "a cost limit of $1 cannot be kept" in finding.problem
    assert list(unpriced(limited(), prices, models)) == []
    assert list(unpriced(limited(cost_usd="1"), prices, {"dear": "openai:o"})) == []
    assert list(unpriced(limited(cost_usd="1"), {}, {})) == []


def test_limits_that_are_reached_are_not_noted():
    """Neither is money where no price is known."""
    assert [f.code for f in slack(*certified(hops=3, tokens=5_100, cost_usd="1"))] == []


def test_a_worst_case_above_the_limit_is_an_error_where_slack_is_required():
    """Tokens and money each have a path of their own."""
    (tokens, cost) = guarded(*certified(FREE_OR_NOT, tokens=5_099, cost_usd="0.25"))

    assert (tokens.code, tokens.level) == ("FSM305", "error")
    assert "takes 5,100, the limit is 5,099" in tokens.problem
    assert tokens.problem.endswith(": start -> dear")
    assert "takes $0.255, the limit is $0.25" in cost.problem
    assert list(guarded(*certified(FREE_OR_NOT, tokens=5_100, cost_usd="1"))) == []


def test_money_is_written_exactly():
    """Micro-dollars are told to the last digit and no further."""
    assert [dollars(micros) for micros in (0, 1, 250_000, 1_000_000, 12_345_678)] == [
        "$0",
        "$0.000001",
        "$0.25",
        "$1",
        "$12.345678",
    ]


def test_an_entry_that_leaves_no_money_for_a_way_out_is_found():
    """What a state reserves and the cheapest state after it must be paid for together, parts included."""

    class Answered(Ticket):
        answer: str | None = None

    class Two(Machine[Answered]):
        both = State(
            Parallel(*(LLMAgent("Answer.", writes=Answered.answer) for _ in range(2)), join="first"), initial=True
        )
        after = State(LLMAgent("Go on.", reads=Answered.query))
        done, human = Final(), Final(fallback=True)
        flow = both >> after >> done
        limits = Limits(tokens=20_000, cost_usd="0.0100")

    one = Price(1, 1)  # a micro-dollar a token
    prices = {"both.answer_1.answer_1": one, "both.answer_2.answer_2": one, "after": one}
    (finding,) = no_way_out(Two.definition, prices)

    assert (finding.code, finding.about) == ("FSM301", "both")
    assert "may cost $0.009216, and the cheapest way on $0.002304; a run has $0.01" in finding.problem
    assert [] == list(no_way_out(Two.definition, {**prices, "after": FREE}))
