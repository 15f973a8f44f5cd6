"""Moments and spans of time, as people read and write them."""

from fsm_orch.cli.moments import seconds_of, span


def test_spans_are_read_and_told():
    """What is told of a span is its largest unit."""
    assert [seconds_of(text) for text in ("1.5h", "30d", "2w", "90m", "5s")] == [5_400, 2_592_000, 1_209_600, 5_400, 5]
    assert [span(seconds) for seconds in (-3, 59.9, 60, 7_199, 86_400)] == ["0 s", "59 s", "1 min", "1 h", "1 d"]
