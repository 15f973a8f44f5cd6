"""The figures of the routing of real queries: what is recorded agrees with itself, and with what is measured anew."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from benchmarks.shop_queries import FILE
from figures import routing
from support.data import data

from fsm_orch.evaluate.thresholds import Costs
from machines.domains import THRESHOLD

RECORDED = routing.recorded()
ROUTERS = RECORDED["routers"]


def test_the_picture_is_that_of_the_figures() -> None:
    """What is committed as a picture is drawn of what is recorded, byte for byte, and is well-formed."""
    drawn = routing.picture()

    assert routing.PICTURE.read_text(encoding="utf-8") == drawn
    assert "svg" in ElementTree.fromstring(drawn).tag


def test_the_rows_of_the_table_are_the_routers() -> None:
    """Each router has a row, and the ones that ask a model say of how many queries they speak."""
    head, _, *lines = routing.table().splitlines()

    assert list(ROUTERS) == list(routing.ROUTERS) == [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert len(head.split("|")) == len(lines[0].split("|"))
    assert {routing.MODEL_QUERIES} == {ROUTERS[name]["queries"] for name in routing.ASKING}


@pytest.mark.parametrize("name", routing.ROUTERS)
def test_figures_add_up(name: str) -> None:
    """Right and wrong in each way are all queries."""
    rates = routing.rates(ROUTERS[name])
    shares = (rates.accuracy, rates.misroute, rates.false_fallback, rates.leak)

    assert sum(share.count for share in shares) == ROUTERS[name]["queries"] == rates.accuracy.of


@pytest.mark.parametrize("name", ["examples", "words, then examples"])
def test_the_curve_goes_through_what_was_measured(name: str) -> None:
    """At the threshold in use the curve has the errors of the runs, and that threshold is the machine's."""
    (own,) = (point for point in routing.curve(ROUTERS[name]).points if point.threshold == THRESHOLD)

    assert ROUTERS[name]["tradeoff"]["threshold"] == THRESHOLD == RECORDED["validation"]
    assert own.rates == routing.rates(ROUTERS[name])


def test_what_the_notebook_says_of_the_routers() -> None:
    """Examples beat words in accuracy, a small model makes words worse, and costs move the threshold."""
    right = {name: figures["accuracy"]["rate"] for name, figures in ROUTERS.items()}
    curve = routing.curve(ROUTERS["examples"])
    words = routing.rates(ROUTERS["words"])
    better = [p for p in curve.points if p.rates.leak.count < words.leak.count > 0]

    assert right["examples"] > right["words, then examples"] > right["words"] > right["words, then a 135M model"] > 0.5
    assert right["135M model"] < 0.5
    assert any(point.rates.false_fallback.count < words.false_fallback.count for point in better)
    assert curve.best(Costs(leak=5)).threshold > curve.best().threshold > curve.best(Costs(false_fallback=5)).threshold


@pytest.mark.local("minilm")
def test_the_recorded_figures_are_measured_again() -> None:
    """Where the data is, `fsm-orch eval` measures what is recorded, but for the last digits of another processor."""
    found = routing.measured(data(FILE), routing.ROUTERS["examples"])
    recorded = ROUTERS["examples"]

    assert recorded["queries"] == found["queries"]
    for kind in ("accuracy", "misroute", "false_fallback", "leak"):
        assert recorded[kind]["of"] == found[kind]["of"]
        assert abs(recorded[kind]["rate"] - found[kind]["rate"]) < 0.02
    for point, again in zip(recorded["tradeoff"]["points"], found["tradeoff"]["points"], strict=True):
        assert abs(point["leak"] - again["leak"]) <= 15
        assert abs(point["false_fallback"] - again["false_fallback"]) <= 30


@pytest.mark.slow
def test_words_are_measured_again() -> None:
    """Where the data is, words do to the letter what is recorded."""
    found = routing.measured(data(FILE), routing.ROUTERS["words"])

    assert [ROUTERS["words"][kind] for kind in ("accuracy", "misroute", "false_fallback", "leak")] == [
        found[kind] for kind in ("accuracy", "misroute", "false_fallback", "leak")
    ]
