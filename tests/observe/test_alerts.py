"""Alerts and the dashboard: each speaks of metrics and bounds that there are, and fires when it should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.servers import of_prometheus
from typer.testing import CliRunner

import fsm_orch
from fsm_orch.cli import app
from fsm_orch.observe.metric_names import METRICS, MetricName

OPS = Path(fsm_orch.__file__).parent / "observe" / "ops"
RULES, TESTS = OPS / "fsm_orch.rules.yml", OPS / "fsm_orch.rules.test.yml"
BY_SERIES = {name: metric for metric in METRICS for name in metric.series}
WORDS = {
    *("sum", "max", "count", "rate", "increase", "histogram_quantile", "label_replace"),
    *("by", "on", "and", "unless", "group_left"),
}
"""Words of PromQL that are used here."""


def alerts() -> list[dict[str, Any]]:
    """Return the alerts that are shipped."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> Any:
    """Return the dashboard that is shipped."""
    return json.loads((OPS / "fsm_orch.dashboard.json").read_text())


def drawn() -> Iterator[str]:
    """Yield the expressions of the dashboard."""
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def series_of_tests() -> Iterator[str]:
    """Yield the series that the tests of the alerts are made of."""
    for test in yaml.safe_load(TESTS.read_text())["tests"]:
        yield from (given["series"] for given in test["input_series"])


def promtool(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Call promtool."""
    command = [of_prometheus("promtool"), *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def exported(folder: Path) -> Path:
    """Return a copy of what is shipped, to change."""
    return Path(shutil.copytree(OPS, folder / "ops"))


def named(expression: str) -> set[str]:
    """Return the words of an expression outside of quotes that are no labels in braces."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"[a-zA-Z_]\w*", re.sub(r"\{[^}]*\}|\[[^]]*\]", "", bare)))


def used(expression: str) -> Iterator[tuple[MetricName, set[str], str]]:
    """Yield each metric of an expression, with the labels that it is asked for, and what these must be."""
    for name, inside in re.findall(r"\b(agent_\w+)(?:\{([^}]*)\})?", expression):
        yield BY_SERIES[name], set(re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", inside)), inside


@pytest.mark.parametrize("expression", [*(alert["expr"] for alert in alerts()), *drawn(), *series_of_tests()])
def test_all_speak_of_metrics_that_there_are(expression: str) -> None:
    """Every name in a rule, in a test of one and on the dashboard is a series, one of its labels, or PromQL."""
    labels = {label for metric, _, _ in used(expression) for label in metric.labels} | {"le"}

    assert named(expression) <= {*BY_SERIES, *WORDS, *labels, "e"}
    assert list(used(expression))
    for metric, asked, _ in used(expression):
        assert asked <= {*metric.labels, "le", "instance"}, metric.name


@pytest.mark.parametrize("expression", [*(alert["expr"] for alert in alerts()), *drawn(), *series_of_tests()])
def test_thresholds_are_bounds(expression: str) -> None:
    """A bucket that is asked for is one that there is, written as the library writes it."""
    for metric, _, inside in used(expression):
        for bound in re.findall(r'le="([^"]*)"', inside):
            assert bound in {str(float(each)) for each in metric.buckets}


def test_every_metric_is_shown() -> None:
    """The dashboard has each metric, so that none is counted for nothing."""
    shown = {metric.name for expression in drawn() for metric, _, _ in used(expression)}

    assert {metric.name for metric in METRICS} == shown


def test_rules_are_rules(tmp_path: Path) -> None:
    """Promtool reads the rules, and the configuration that names them."""
    folder = exported(tmp_path)

    assert 0 == promtool("check", "rules", "fsm_orch.rules.yml", cwd=folder).returncode
    assert 0 == promtool("check", "config", "prometheus.yml", cwd=folder).returncode


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Promtool's tests pass, and each alert fires in one of them."""
    folder = exported(tmp_path)
    checks = [each for test in yaml.safe_load(TESTS.read_text())["tests"] for each in test["alert_rule_test"]]

    done = promtool("test", "rules", "fsm_orch.rules.test.yml", cwd=folder)

    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert {alert["alert"] for alert in alerts()} == {each["alertname"] for each in checks if each["exp_alerts"]}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_to_ask_next(alert: dict[str, Any]) -> None:
    """Each names a command that there is, except the one for which nothing has to be found."""
    asked = re.findall(r"`fsm-orch ([^`]+)`", alert["annotations"]["do"])

    assert bool(asked) == (alert["alert"] != "RunsQueued")
    for words in asked:
        assert 0 == CliRunner().invoke(app, [*words.split(), "--help"]).exit_code, words


CHANGES = {
    "HandoffStorm": ("> 100", "> 102"),
    "SelfHandoff": (") > 20", ") > 40000"),
    "RequestTokens": ('le="10000.0"', 'le="15000.0"'),
    "RequestHandoffs": ("> 0.05\n        for: 5m", "> 0.01\n        for: 5m"),
    "AgentErrors": ("(increase(agent_visits_total[5m])) > 20", "(increase(agent_visits_total[5m])) > 2"),
    "Landings": ('reason!="cancelled",', ""),
    "HumansAway": ("for: 30m", "for: 5m"),
    "RunsQueued": ("> 0\n        for: 5m", "> 0\n        for: 1m"),
    "AgentShut": ("== 1\n        for: 5m", "== 1\n        for: 1m"),
}
"""What may go wrong in each alert."""


@pytest.mark.slow
@pytest.mark.parametrize("alert", [alert["alert"] for alert in alerts()])
def test_a_change_of_an_alert_is_seen(alert: str, tmp_path: Path) -> None:
    """The tests of the alerts fail where a threshold, a time or a label of one is another."""
    folder, (old, new) = exported(tmp_path), CHANGES[alert]
    rules = (folder / RULES.name).read_text()
    start = rules.index(f"alert: {alert}\n")
    assert old in rules[start:]
    (folder / RULES.name).write_text(rules[:start] + rules[start:].replace(old, new, 1))

    done = promtool("test", "rules", "fsm_orch.rules.test.yml", cwd=folder)

    assert 1 == done.returncode
    assert f"alertname: {alert}" in done.stdout + done.stderr


def test_the_dashboard_asks_in_promql(tmp_path: Path) -> None:
    """Each expression on the dashboard is PromQL: as a recording rule, its variables filled in."""
    rules = [
        {"record": f"panel:{number}", "expr": each.replace("$__rate_interval", "5m").replace("$machine", ".*")}
        for number, each in enumerate(drawn())
    ]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = promtool("check", "rules", "panels.yml", cwd=tmp_path)

    assert 0 == done.returncode, done.stdout
    assert f"{len(rules)} rules found" in done.stdout
    assert "$" not in (tmp_path / "panels.yml").read_text()


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    """Each has a number and a place of its own."""
    panels = dashboard()["panels"]
    tiles = [
        (x, y)
        for each in panels
        for at in [each["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(panels) == len({each["id"] for each in panels})
    assert len(tiles) == len(set(tiles))
    assert 24 == 1 + max(x for x, _ in tiles)
