"""The picture of how machines route."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_orch.evaluate.picture import Router, draw
from fsm_orch.evaluate.routes import Rates, Share
from fsm_orch.evaluate.thresholds import Scored, curve

SVG = "{http://www.w3.org/2000/svg}"
QUERIES = [
    Scored(expected, nearest, score / 20, "human")
    for score in range(21)
    for expected, nearest in (("a", "a"), ("a", "b"), ("nobody", "a"))
]
CURVE = curve(QUERIES, {"a", "b"})


def of(right: int, misrouted: int, away: int, leaked: int, *, ours: int = 60, foreign: int = 40) -> Rates:
    total = ours + foreign
    return Rates(
        accuracy=Share(right, total),
        misroute=Share(misrouted, ours),
        false_fallback=Share(away, ours),
        leak=Share(leaked, foreign),
    )


TUNED = Router("tuned", CURVE.points[40].rates, curve=CURVE, threshold=0.4, note="5 ms")
OTHER = Router("other", of(70, 10, 10, 10))


def elements(svg: str, kind: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(svg).iter(f"{SVG}{kind}"))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in elements(svg, "text")]


def test_it_is_the_same_twice_and_has_text_as_text() -> None:
    """The same figures give the same bytes, in which names, rates and the chosen threshold can be read."""
    svg = draw([TUNED, OTHER], title="You choose", lines=["of many"])
    shown = texts(svg)

    assert svg == draw([TUNED, OTHER], title="You choose", lines=["of many"])
    assert {"You choose", "of many", "tuned, 0.4", "other", "70.0%", "5 ms", "0.4"} <= {*shown}
    assert {"right", "sent away, though ours", "let in, though not ours", "misrouted"} <= {*shown}
    assert len(svg) < 20_000
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", svg)


def test_a_curve_is_drawn_where_there_is_one() -> None:
    """A machine with a threshold has a curve and a band of its errors; one without has a point and a bar."""
    with_curve, without = (draw([router], title="t", lines=[]) for router in (TUNED, OTHER))

    assert [1, 4] == [len(elements(with_curve, kind)) for kind in ("polyline", "polygon")]
    assert [0, 0] == [len(elements(without, kind)) for kind in ("polyline", "polygon")]
    assert "by threshold" in texts(with_curve)
    assert "by threshold" not in texts(without)


def test_a_curve_ends_at_the_edge() -> None:
    """Thresholds that send away more than there is room for are left out, and the line goes on to the edge."""
    (line,) = elements(draw([Router("low", CURVE.points[10].rates, curve=CURVE)], title="t", lines=[]), "polyline")
    places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]

    assert 462.0 == max(x for x, _ in places)
    assert places == sorted(places, key=lambda place: (place[0], -place[1]))


counts = st.integers(0, 30)
rates = st.builds(lambda r, m, f, k: of(r, m, f, k, ours=r + m + f, foreign=k), counts, counts, counts, counts)


@given(
    st.lists(
        st.builds(Router, st.text(st.characters(exclude_categories=["C"]), max_size=9), rates), min_size=1, max_size=7
    )
)
def test_all_that_is_drawn_is_inside(routers: list[Router]) -> None:
    """Whatever the figures and the names, the picture is well-formed, and points and bars lie in it."""
    svg = draw(routers, title="t", lines=[])
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    circles, bars = elements(svg, "circle"), elements(svg, "rect")

    assert len(routers) == len(circles)
    assert all(62 <= float(one.attrib["cx"]) <= 462 and 0 < float(one.attrib["cy"]) < height for one in circles)
    assert all(float(one.attrib["x"]) + float(one.attrib["width"]) <= width for one in bars)
    assert {router.name for router in routers} <= {*texts(svg)}


@pytest.mark.parametrize("leaked", [0, 40])
@pytest.mark.parametrize("count", [2, 3, 6])
def test_names_do_not_lie_on_each_other(count: int, leaked: int) -> None:
    """Points at one place have their names below each other, and inside the panel."""
    crowd = [Router(f"machine {number}", of(60, 0, 0, leaked)) for number in range(count)]
    bold = [
        element for element in elements(draw(crowd, title="t", lines=[]), "text") if element.get("fill") != "#ffffff"
    ]
    lines = sorted(float(e.attrib["y"]) for e in bold if e.get("font-weight") == "700" and "machine" in str(e.text))

    assert count == len(lines)
    assert all(lower - upper >= 16 for upper, lower in pairwise(lines))
    assert 138 <= lines[0] < lines[-1] <= 138 + 300 + 4


def test_the_bar_of_a_machine_adds_up() -> None:
    """The parts of a bar are all queries: right, sent away, let in and misrouted, as wide as they are many."""
    bars = elements(draw([OTHER], title="t", lines=[]), "rect")

    assert [168.0, 24.0, 24.0, 24.0] == [float(bar.attrib["width"]) for bar in bars if bar.get("height") == "28"]
