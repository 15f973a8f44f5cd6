"""What each threshold would do with queries, and which is best."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.embedders import Letters

from fsm_orch import Context, ExamplesAgent, Final, Machine, State
from fsm_orch.evaluate.routes import Rates, Share, verdict
from fsm_orch.evaluate.thresholds import GRID, Costs, Curve, Point, Scored, curve, scored, tuned

LABELS = ("billing", "search")

scores = st.lists(
    st.builds(
        Scored,
        expected=st.sampled_from([*LABELS, "out_of_scope"]),
        nearest=st.sampled_from([*LABELS, "human"]),
        score=st.floats(-1, 1),
        otherwise=st.just("human"),
    ),
    min_size=1,
    max_size=30,
)
prices = st.builds(Costs, misroute=st.integers(0, 5), false_fallback=st.integers(0, 5), leak=st.integers(0, 5))


@given(scores)
def test_a_higher_threshold_trades_leaks_for_false_fallbacks(queries: list[Scored]) -> None:
    """From the least threshold to the greatest, leaks and misroutes only fall, and false fallbacks only rise."""
    points = curve(queries, LABELS).points
    rates = [point.rates for point in points]

    assert list(GRID) == [point.threshold for point in points]
    assert sorted((each.leak.count for each in rates), reverse=True) == [each.leak.count for each in rates]
    assert sorted((each.misroute.count for each in rates), reverse=True) == [each.misroute.count for each in rates]
    assert sorted(each.false_fallback.count for each in rates) == [each.false_fallback.count for each in rates]


@given(scores, st.sampled_from(GRID))
def test_a_point_is_counted_query_by_query(queries: list[Scored], threshold: float) -> None:
    """Each rate is that of all queries, sent where the threshold sends them, and together they are all queries."""
    (point,) = curve(queries, LABELS, [threshold]).points
    said = [verdict(q.expected, q.nearest if q.score >= threshold else "human", LABELS) for q in queries]
    rates = point.rates

    assert (said.count("right"), len(queries)) == (rates.accuracy.count, rates.accuracy.of)
    assert [said.count("misroute"), said.count("false_fallback"), said.count("leak")] == [
        rates.misroute.count, rates.false_fallback.count, rates.leak.count,
    ]  # fmt: skip
    assert rates.misroute.of == rates.false_fallback.of == len(queries) - rates.leak.of


@given(scores, prices)
def test_the_best_costs_least(queries: list[Scored], costs: Costs) -> None:
    """No threshold of the curve costs less than the best; where all errors cost alike, none is more accurate."""
    found = curve(queries, LABELS)

    assert costs.of(found.best(costs).rates) == min(costs.of(point.rates) for point in found.points)
    assert found.best().rates.accuracy.count == max(point.rates.accuracy.count for point in found.points)


def test_of_equal_thresholds_the_one_in_their_middle_is_best() -> None:
    """A threshold that is far from where it would make a difference is the least a matter of chance."""
    queries = [Scored("billing", "billing", 0.8, "human"), Scored("out_of_scope", "billing", 0.2, "human")]

    assert 0.51 == curve(queries, LABELS).best().threshold


def test_costs_move_the_best() -> None:
    """Who cannot bear a leak chooses a higher threshold than who cannot bear to send anybody away."""
    queries = [Scored("billing", "billing", score / 10, "human") for score in (3, 5, 7)]
    queries += [Scored("out_of_scope", "search", score / 10, "human") for score in (2, 4, 6)]
    careful, generous = (curve(queries, LABELS).best(Costs(leak=leak)).threshold for leak in (9, 0.1))

    assert generous < careful


class Question(Context):
    text: str


class Desk(Machine[Question]):
    """Two targets, of which one ends."""

    first, second, human = Final(), Final(), Final(fallback=True)
    triage = State(
        ExamplesAgent(Question.text, {first: "aab", second: "xyz"}, otherwise=human, threshold=0.5, embedder=Letters()),
        initial=True,
    )
    to_first = triage.to(first)
    to_second = triage.to(second)
    to_human = triage.to(human)


AGENT = Desk.triage.agent
QUERIES = [("ab", "first"), ("yz", "second"), ("aqqq", "nobody"), ("xqqq", "nobody"), ("", "nobody")]


def test_an_agent_is_tuned_on_labelled_queries() -> None:
    """The threshold that is found takes what is like an example and leaves what is not, and says how it does."""
    assert isinstance(AGENT, ExamplesAgent)
    point = tuned(AGENT, QUERIES)
    found = scored(AGENT, QUERIES)

    assert Share(5, 5) == point.rates.accuracy
    assert max(one.score for one in found[2:]) < point.threshold <= min(one.score for one in found[:2])
    assert ["first", "second", "first", "second", "human"] == [one.nearest for one in found]


def test_nothing_is_tuned_on_nothing() -> None:
    """Without queries no threshold is better than another."""
    assert isinstance(AGENT, ExamplesAgent)
    with pytest.raises(ValueError, match="tuned on labelled queries, and there are none"):
        tuned(AGENT, [])


def test_points_are_values() -> None:
    """A curve is its points, whoever made them."""
    rates = Rates(accuracy=Share(1, 1), misroute=Share(0, 1), false_fallback=Share(0, 1), leak=Share(0, 0))

    assert Curve((Point(0.5, rates),)) == curve([Scored("billing", "billing", 0.9, "human")], LABELS, [0.5])
