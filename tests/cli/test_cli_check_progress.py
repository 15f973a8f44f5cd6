"""`fsm-orch check`: a long exploration shows how far it is, and one that ends early says so."""

from support.checked import BROKEN, words

from fsm_orch.cli import app, check


def test_a_long_exploration_shows_how_far_it_is(cli, ask, monkeypatch):
    """The bar is on stderr, and nothing of it on stdout."""
    monkeypatch.setattr(check, "_QUIET_S", -1.0)
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = []
    monkeypatch.setattr(check.Progress, "update", lambda self, task, **said: shown.append(said["description"]))

    with check._progress("Ask") as on_progress:
        on_progress(12_000, 3_000)
    assert shown == ["Ask: 12,000 configurations, 3,000 to look into"]


def test_a_long_exploration_writes_lines_where_there_is_no_terminal(monkeypatch, capsys):
    """One line after a while on stderr, and then no more for a while: a log is not filled with them."""
    now = iter([0.0, 1.0, 3.0, 4.0, 14.0])
    monkeypatch.setattr(check.time, "perf_counter", lambda: next(now))

    with check._progress("Ask") as on_progress:
        for found in (1_000, 12_000, 13_000, 14_000):
            on_progress(found, 3_000)

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "Ask: 12,000 configurations, 3,000 to look into, 3 s",
        "Ask: 14,000 configurations, 3,000 to look into, 14 s",
    ]


def test_an_exploration_that_ends_early_says_so(cli, write):
    """What was not seen is not claimed: policies that were not broken so far are unknown."""
    result = cli.invoke(
        app,
        [
            "check",
            write(BROKEN.replace("never(to_leak), eventually(answered | human)", "never(to_leak),")),
            "--max-configurations",
            "1",
        ],
    )

    said = words(result)
    assert result.exit_code == 1
    assert "explored not all runs, since it ended there: 1 configurations" in said
    assert "unknown never(to_leak)" in said
    assert "FSM413 warning" in said
    assert "was not decided: the exploration ended at 1 configurations" in said
