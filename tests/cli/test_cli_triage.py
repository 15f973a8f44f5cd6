"""`fsm-orch triage`: real runs are logged and stored, and each command tells of them what happened."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from support.in_store import change
from support.lines_of import logging_to
from support.servers import postgres
from typer.testing import CliRunner

from fsm_orch import Runner, ScriptedModel
from fsm_orch.cli import app
from machines.shop import Query, ShopFloor, deps

SCRIPT = Path(sys.executable).with_name("fsm-orch")
MACHINE = ["--machine", "machines.shop"]
ASKED = "what would a grey wool sweater set me back?"
SCRIPTS = {
    "circle": [{"handoff": "to_inventory"}, {"handoff": "to_pricing"}],
    "right": [{"handoff": "to_pricing"}],
    "refused": [{"handoff": "nowhere"}, {"handoff": "to_pricing"}],
    "broken": ["no JSON", "no JSON either"],
}
COMMANDS = ("loops", "worst", "misroutes", "errors")


def logged(url: str | None) -> bytes:
    """Run the shop on each script, stored at a URL, and give the log."""
    stream = io.BytesIO()
    observer = logging_to(stream, structlog.processors.TimeStamper(fmt="iso", utc=True))
    with deps() as shop:
        for name, script in SCRIPTS.items():
            model = ScriptedModel(script)
            runner = Runner(ShopFloor, model=model, observers=[observer], **({"store": url} if url else {}))
            runner.run_sync(Query(text="something warm" if name == "circle" else ASKED), run_id=name, deps=shop)
    return stream.getvalue()


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FSM_ORCH_STORE", raising=False)
    return "sqlite:///runs.db"


@pytest.fixture
def log(url: str, tmp_path: Path) -> Path:
    """The log of runs that are also in a store."""
    path = tmp_path / "shop.log"
    path.write_bytes(logged(url))
    return path


def told(cli: CliRunner, command: str, *words: str, **options: Any) -> dict[str, Any]:
    result = cli.invoke(app, ["triage", command, *words, "--json"], **options)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def timeless(found: Any) -> Any:
    """Leave out what only a log or only a store knows."""
    if isinstance(found, dict):
        return {key: timeless(value) for key, value in found.items() if key not in ("last_at", "recent", "read")}
    return [timeless(each) for each in found] if isinstance(found, list) else found


@pytest.mark.parametrize("command", COMMANDS)
def test_a_log_and_a_store_say_the_same(cli: CliRunner, log: Path, url: str, command: str) -> None:
    """Whether a run was logged or is folded from its journal, each command has the same answer."""
    of_log, of_store = told(cli, command, str(log), *MACHINE), told(cli, command, "--store", url, *MACHINE)

    assert timeless(of_log) == timeless(of_store)
    assert of_log["read"] == of_store["read"] | {"lines": of_log["read"]["lines"]}
    assert 4 == of_log["read"]["runs"]


@pytest.mark.slow
def test_postgresql_says_the_same(cli: CliRunner, log: Path) -> None:
    """A store is a store."""
    database = postgres().database("triage")
    log.write_bytes(logged(database))
    for command in COMMANDS:
        of_log, of_store = told(cli, command, str(log), *MACHINE), told(cli, command, "--store", database, *MACHINE)
        assert timeless(of_log) == timeless(of_store)


def test_loops_names_the_circle_the_run_and_the_line(cli: CliRunner, log: Path) -> None:
    """Which way round, how often, that it is bounded, that it goes on now, and where it is declared."""
    shown = cli.invoke(app, ["triage", "loops", str(log), *MACHINE]).stdout
    (circle,) = told(cli, "loops", str(log), *MACHINE)["circles"]

    assert shown.startswith("1 of 4 runs went round in a circle (25.0 %); self-handoffs: none")
    assert "inventory -back-> router -to_inventory-> inventory" in shown
    assert "bounded: its machine declares it" in shown
    assert "goes on now: 1 run in the last 5 min" in shown
    assert re.search(r"back: \S*shop\.py:\d+\n", shown)
    assert ("circle", "ShopFloor") == (circle["example"], circle["machine"])
    unmarked = cli.invoke(app, ["triage", "loops", str(log)]).stdout
    assert "not known to be bounded: --machine MODULE" in unmarked


def test_worst_has_the_figures_of_the_results(cli: CliRunner, log: Path) -> None:
    """The dearest comes first, with its path, where it ended and why."""
    found = told(cli, "worst", str(log), "--top", "2")
    shown = cli.invoke(app, ["triage", "worst", str(log), "--by", "hops", "--top", "1"]).stdout

    assert found["dearest"][0]["tokens"] >= found["dearest"][1]["tokens"] > 0
    assert (4, 2) == (found["runs"], len(found["dearest"]))
    assert "triage -unclear-> router; router -to_inventory-> inventory; inventory -back-> router" in shown


def test_errors_tell_who_fails_and_why(cli: CliRunner, log: Path) -> None:
    """By agent: visits that were lost, and the reasons; and of each model the calls without an answer."""
    shown = cli.invoke(app, ["triage", "errors", str(log)]).stdout
    found = told(cli, "errors", str(log))
    states = {each["state"]: each for each in found["states"]}

    assert states["router"]["refused"] == {"malformed": 2, "unknown_handoff": 1} or states["router"]["refused"]
    assert (1, "LLMAgent") == (states["router"]["lost"]["count"], states["router"]["agent"])
    assert "router (LLMAgent) of ShopFloor" in shown
    assert ["scripted:script"] == [each["model"] for each in found["models"]]


def test_misroutes_doubt_what_came_back(cli: CliRunner, log: Path) -> None:
    """Without labels a handoff is doubted whose target handed right back, with an interval."""
    found = told(cli, "misroutes", str(log), *MACHINE)
    first = next(each for each in found["handoffs"] if each["handoff"] == "to_inventory")

    assert (1, 1, 1) == (first["back"], first["doubted"]["count"], first["doubted"]["of"])
    assert 0 < first["doubted"]["low"] < first["doubted"]["rate"] == 1
    assert first["where"].partition(":")[0].endswith("shop.py")
    lows = [each["doubted"]["low"] for each in found["handoffs"]]
    assert lows == sorted(lows, reverse=True)


def test_misroutes_are_known_by_labels(cli: CliRunner, log: Path, tmp_path: Path) -> None:
    """With labels it is what `fsm-orch eval` would say; runs without a label do not count."""
    labels = tmp_path / "labels.csv"
    labels.write_text("run,state\ncircle,pricing\nright,pricing\nbroken,nobody\nother,search\n", encoding="utf-8")
    found = told(cli, "misroutes", str(log), "--labels", str(labels))
    shown = cli.invoke(app, ["triage", "misroutes", str(log), "--labels", str(labels)]).stdout

    assert (3, 3) == (found["rates"]["accuracy"]["count"], found["rates"]["accuracy"]["of"])
    assert (0, 1) == (found["rates"]["leak"]["count"], found["rates"]["leak"]["of"])
    labels.write_text("run,state\ncircle,pricing\nright,inventory\n", encoding="utf-8")
    wrong = told(cli, "misroutes", str(log), "--labels", str(labels))["wrong"]
    went = {(each["expected"], each["reached"], each["example"]) for each in wrong}
    assert {("pricing", "inventory", "circle"), ("inventory", "pricing", "right")} == went
    nobody = tmp_path / "nobody.csv"
    nobody.write_text("run,state\nx,y\n", encoding="utf-8")
    refused = cli.invoke(app, ["triage", "misroutes", str(log), "--labels", str(nobody)])
    assert (2, True) == (refused.exit_code, "labels none of the 4 runs" in refused.stderr)
    assert "accuracy" in shown


@pytest.fixture
def right(log: Path, tmp_path: Path) -> str:
    """The log of the one run that went to pricing and was answered there."""
    path = tmp_path / "right.log"
    lines = [line for line in log.read_text().splitlines(keepends=True) if json.loads(line)["run_id"] == "right"]
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def test_runs_without_an_end_may_wait(cli: CliRunner, right: str, tmp_path: Path) -> None:
    """What fails in no run is not said to be all: whoever waits is found by another command, which is named."""
    cut = tmp_path / "cut.log"
    cut.write_text("".join(Path(right).read_text().splitlines(keepends=True)[:-1]), encoding="utf-8")
    said = [" ".join(cli.invoke(app, ["triage", "errors", each]).stdout.split()) for each in (right, str(cut))]

    hint = "1 run without an end may wait for a human: fsm-orch runs list --status waiting --store URL"
    assert [False, True] == [hint in each for each in said]


def test_a_state_that_all_runs_missed_is_not_passed_over(cli: CliRunner, right: str, tmp_path: Path) -> None:
    """Its machine says that it is one; without the machine the word is named that was taken for none."""
    labels = tmp_path / "labels.csv"
    labels.write_text("run,state\nright,inventory\n", encoding="utf-8")
    words = (right, "--labels", str(labels))
    known, unknown = told(cli, "misroutes", *words, *MACHINE), told(cli, "misroutes", *words)
    shown = cli.invoke(app, ["triage", "misroutes", *words]).stdout

    assert [("inventory", "answered")] == [(each["expected"], each["reached"]) for each in known["wrong"]]
    assert (0, 1) == (known["rates"]["accuracy"]["count"], known["rates"]["false_fallback"]["count"])
    assert ([], ["inventory"]) == (known["strange"], unknown["strange"])
    assert "no run entered inventory: taken for no state of the machine" in shown


def test_no_doubt_is_not_said_to_be_no_fault(cli: CliRunner, right: str) -> None:
    """Where no handoff came back it is said that this is all that was looked for."""
    result = cli.invoke(app, ["triage", "misroutes", right])

    assert "0 of 3 handoffs are doubted" in result.stdout
    assert "nobody hands back is not seen: tell by --labels" in result.stdout


def test_context_tells_names_and_a_store_values(cli: CliRunner, log: Path, url: str) -> None:
    """What was written and read at each handoff; values only with --values, which only a store has."""
    names = cli.invoke(app, ["triage", "context", "right", str(log), *MACHINE]).stdout
    values = cli.invoke(app, ["triage", "context", "right", "--store", url, *MACHINE, "--values"]).stdout

    assert "router -to_pricing-> pricing" in names
    assert "reads    text (as given)" in names
    assert "wrote    answer" in names
    assert ASKED not in names
    assert f"text: {ASKED}" in values
    assert "answer: Today's price" in values


def test_redacted_values_are_never_shown(cli: CliRunner, url: str) -> None:
    """What a store has left out is named as such."""
    with deps() as shop:
        runner = Runner(ShopFloor, model=ScriptedModel(SCRIPTS["right"]), store=url, redact=Query.text)
        runner.run_sync(Query(text=ASKED), run_id="r", deps=shop)
    result = cli.invoke(app, ["triage", "context", "r", "--store", url, *MACHINE, "--values"])

    assert result.exit_code in (0, 2)
    assert ASKED not in result.output


def test_a_beginning_of_an_id_is_enough(cli: CliRunner, log: Path) -> None:
    """If it is that of one run; of several they are named, and of none that is said."""
    assert told(cli, "context", "circ", str(log))["run_id"] == "circle"
    several = cli.invoke(app, ["triage", "context", "r", str(log)])
    nobody = cli.invoke(app, ["triage", "context", "nobody", str(log)])

    assert (2, 2) == (several.exit_code, nobody.exit_code)
    assert "right" in several.stderr
    assert "refused" in several.stderr
    assert "no run's id begins with 'nobody'" in nobody.stderr


DOCKER = "2026-11-27T02:00:00.000000000Z stdout F "


@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(lambda line: f"web-1  | {line}", id="compose"),
        pytest.param(lambda line: f"{DOCKER}{line}", id="kubectl"),
        pytest.param(lambda line: f"Nov 27 02:00:00 host fsm[12]: {line}", id="journald"),
        pytest.param(lambda line: json.dumps({"log": f"{line}\n", "stream": "stdout"}), id="json-file"),
    ],
)
def test_logs_come_in_any_dress(cli: CliRunner, log: Path, tmp_path: Path, wrapped: Callable[[str], str]) -> None:
    """Plain or gzipped, with a prefix, from stdin, and in several files."""
    lines = [wrapped(line) for line in log.read_text(encoding="utf-8").splitlines()]
    packed, rest = tmp_path / "a.gz", tmp_path / "b.log"
    packed.write_bytes(gzip.compress("\n".join(lines[:20]).encode() + b"\n"))
    rest.write_text("\n".join(["hello", *lines[20:]]), encoding="utf-8")
    whole = told(cli, "worst", str(log))
    two, stdin = told(cli, "worst", str(packed), str(rest)), told(cli, "worst", "-", input="\n".join(lines))

    assert whole["dearest"] == two["dearest"] == stdin["dearest"]
    assert 1 == two["read"]["foreign"]


def test_a_packed_file_that_was_cut_is_read_up_to_there(cli: CliRunner, log: Path, tmp_path: Path) -> None:
    """As one that is still being written; the cut is said."""
    packed = tmp_path / "a.gz"
    noise = b"".join(f"{random.Random(n).random()}\n".encode() for n in range(9_000))  # which does not pack well
    packed.write_bytes(gzip.compress(log.read_bytes() + noise)[:-200])

    found = told(cli, "loops", str(packed))
    assert (1, 4) == (found["read"]["damaged"], found["runs"])
    assert found["read"]["foreign"] < 9_000


def test_since_leaves_out_what_is_over(cli: CliRunner, log: Path, url: str, tmp_path: Path) -> None:
    """A run counts if something of it was written since then, in a log as in a store."""
    old = log.read_text(encoding="utf-8").replace('"run_id":"', '"run_id":"old ')
    old = re.sub(r'"timestamp":"\d{4}', '"timestamp":"2020', old)
    both = tmp_path / "both.log"
    both.write_text(old + log.read_text(encoding="utf-8"), encoding="utf-8")
    change(tmp_path / "runs.db", "UPDATE fsm_runs SET stored_at = stored_at - 7200 WHERE id <> 'circle'")

    assert 8 == told(cli, "worst", str(both))["runs"]
    assert 4 == told(cli, "worst", str(both), "--since", "15m")["runs"]
    assert 8 == told(cli, "worst", str(both), "--since", "2020-01-01")["runs"]
    assert 0 == told(cli, "worst", str(both), "--since", "2099-01-01T00:00:00Z")["runs"]
    assert 1 == told(cli, "worst", "--store", url, *MACHINE, "--since", "1h")["runs"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a log, - for stdin, or --store URL"),
        (["nowhere.log"], "nowhere.log cannot be read"),
        (["."], "cannot be read"),
        (["empty.log"], "none of its 0 lines is a record"),
        (["other.log"], "none of its 1 line is a record. A log is written by fsm-orch serve --events"),
        (["--store", "sqlite:///runs.db"], "no machine is named of its 4 runs"),
        (["--store", "sqlite:///nowhere.db"], "there is no file"),
        (["shop.log", "--store", "sqlite:///runs.db"], "one of them is read, not both"),
        (["wide.log"], "wide.log is in UTF-16: convert it by iconv"),
        (["shop.log", "--since", "soon"], "neither a span, such as 15m or 2h, nor a time"),
        (["shop.log", "--machine", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_read_is_one_line(cli: CliRunner, log: Path, words: list[str], said: str) -> None:
    """The problem and the fix on stderr, nothing on stdout, exit code 2."""
    (log.parent / "empty.log").write_text("", encoding="utf-8")
    (log.parent / "other.log").write_text("hello\n", encoding="utf-8")
    (log.parent / "wide.log").write_text(log.read_text(encoding="utf-8"), encoding="utf-16")
    for command in COMMANDS:
        result = cli.invoke(app, ["triage", command, *words])
        assert (2, "") == (result.exit_code, result.stdout), result.output
        assert said in result.stderr
        assert 1 == result.stderr.count("\n")


def test_since_needs_times(cli: CliRunner, log: Path) -> None:
    """A log without timestamps is not taken for one of old runs."""
    bare = log.parent / "bare.log"
    bare.write_text(re.sub(r'"timestamp":"[^"]*",?', "", log.read_text(encoding="utf-8")).replace(",}", "}"), "utf-8")
    result = cli.invoke(app, ["triage", "loops", str(bare), "--since", "15m"])

    assert 2 == result.exit_code
    assert "none has a timestamp" in result.stderr
    assert "nobody knows when" in cli.invoke(app, ["triage", "loops", str(bare)]).stdout


HOSTILE = "\x1b[2J\x07\u202e\x9b31m\nother\trun"


@pytest.mark.parametrize("command", [*COMMANDS, "context"])
@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_nothing_in_a_log_can_steer_a_terminal(cli: CliRunner, log: Path, command: str, mode: list[str]) -> None:
    """Ids, names, reasons and fields with control characters are written out, in JSON too."""

    def line(event: str, hops: int, **more: Any) -> str:
        ours = {"run_id": HOSTILE, "state": HOSTILE, "agent": HOSTILE, "hops": hops, "machine": HOSTILE}
        return json.dumps({"event": event, **ours, **more})

    names = {"handoff": HOSTILE, "reason": HOSTILE, "model": HOSTILE, "written": [HOSTILE]}
    lines = [
        line("run_started", 0, digest=HOSTILE),
        line("visit_started", 0),
        line("call_settled", 0, **names),
        line("attempt_failed", 0, **names),
        line("handed_off", 1, source=HOSTILE, target="b", **names),
        line("handed_off", 2, source="b", target=HOSTILE, **names),
        line("landed", 3, source=HOSTILE, target=HOSTILE, reason=HOSTILE),
    ]
    hostile = log.parent / "hostile.log"
    hostile.write_text("\n".join(lines), encoding="utf-8")
    words = ["triage", command, *([HOSTILE[:3]] if command == "context" else []), str(hostile), *mode]
    result = cli.invoke(app, words)

    assert 0 == result.exit_code, result.output
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.output)
    assert "\\x1b[2J" in result.output or "\\u001b[2J" in result.output
    assert "\nother\trun" not in result.output


def test_a_huge_line_takes_no_memory(log: Path) -> None:
    """A file of one line without an end is read in pieces, and the records after it count."""
    huge = log.parent / "huge.log"
    with huge.open("wb") as file:
        for _ in range(64):
            file.write(b"x" * (1 << 20))
        file.write(b"\n" + log.read_bytes())
    program = (
        "import resource, sys; from fsm_orch.cli import app\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: app(['triage', 'loops', sys.argv[1], '--json'])\n"
        "except SystemExit: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(huge)], capture_output=True, text=True, check=True)

    assert (1, 4) == (json.loads(ran.stdout)["read"]["too_long"], json.loads(ran.stdout)["runs"])
    assert int(ran.stderr.split()[-1]) < 32_000


def test_a_pipe_that_nobody_reads_ends_it(log: Path) -> None:
    """`| head` may take what it wants."""
    ran = subprocess.run(
        f"{SCRIPT} triage worst {log} | head -1", shell=True, capture_output=True, text=True, timeout=60, check=True
    )

    assert ran.stdout.startswith("4 runs:")
    assert "" == ran.stderr


def test_a_short_packed_log_is_read_up_to_its_cut_too(cli: CliRunner, log: Path, tmp_path: Path) -> None:
    """All whole lines before the cut are read; where there is none, the message says why."""
    cut, stub = tmp_path / "cut.gz", tmp_path / "stub.gz"
    cut.write_bytes(gzip.compress(log.read_bytes())[:-9])
    stub.write_bytes(b"\x1f\x8b")
    read = told(cli, "loops", str(cut))["read"]
    refused = cli.invoke(app, ["triage", "loops", str(stub)])

    assert len(log.read_bytes().splitlines()) - 1 <= read["lines"]
    assert 1 == read["damaged"]
    assert (2, True) == (refused.exit_code, "it is cut or damaged" in refused.stderr)


def test_labels_that_contradict_each_other_are_refused(cli: CliRunner, log: Path, tmp_path: Path) -> None:
    """Two rows may say the same of a run, and not two states."""
    labels = tmp_path / "labels.csv"
    labels.write_text("run,state\nright,pricing\nright,pricing\n", encoding="utf-8")
    twice = cli.invoke(app, ["triage", "misroutes", str(log), "--labels", str(labels)])
    labels.write_text("run,state\nright,pricing\nright,search\n", encoding="utf-8")
    refused = cli.invoke(app, ["triage", "misroutes", str(log), "--labels", str(labels)])

    assert 0 == twice.exit_code
    assert (2, True) == (refused.exit_code, "it belongs to 'pricing' and to 'search'" in refused.stderr)


def test_a_file_that_is_named_again_is_read_once(cli: CliRunner, log: Path) -> None:
    """By its name, a symbolic link, or a hard link."""
    for name, link in (("soft.log", Path.symlink_to), ("hard.log", Path.hardlink_to)):
        link(log.parent / name, log)
    found = told(cli, "worst", str(log), str(log), "soft.log", "hard.log")

    assert (4, 3) == (found["runs"], found["read"]["twice"])


def test_packed_logs_come_by_stdin_too(log: Path) -> None:
    """Through a real pipe, as of `cat *.gz`; and a mark of UTF-8 before the first line is no part of it."""
    words = [str(SCRIPT), "triage", "worst", "-", "--json"]
    ran = subprocess.run(
        words, input=gzip.compress(b"\xef\xbb\xbf" + log.read_bytes()), capture_output=True, check=True
    )

    assert 4 == json.loads(ran.stdout)["runs"]


def test_a_store_of_the_environment_gives_way_to_a_log(
    cli: CliRunner, log: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the command line was meant."""
    monkeypatch.setenv("FSM_ORCH_STORE", url)

    assert 0 < told(cli, "worst", str(log))["read"]["lines"]


def test_times_of_the_future_are_not_believed(cli: CliRunner, log: Path) -> None:
    """They are neither now nor since then, and that is said."""
    log.write_text(re.sub(r'"timestamp":"\d{4}', '"timestamp":"2999', log.read_text(encoding="utf-8")), "utf-8")
    shown = cli.invoke(app, ["triage", "loops", str(log)]).stdout
    since = cli.invoke(app, ["triage", "loops", str(log), "--since", "15m"])

    assert "goes on now" not in shown
    assert "of the future: the time is not used" in shown
    assert (2, True) == (since.exit_code, "each time in" in since.stderr)


def test_what_comes_after_the_end_is_no_run(cli: CliRunner, log: Path) -> None:
    """It is counted and left out."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    late = next(line for line in lines if '"visit_started"' in line)
    log.write_text("".join([*lines, late, late]), encoding="utf-8")
    read = told(cli, "errors", str(log))["read"]

    assert (4, 2, 0) == (read["runs"], read["late"], read["unfinished"])


def test_equal_ids_of_two_machines_are_two_runs(cli: CliRunner, tmp_path: Path) -> None:
    """However they are interleaved, since each line names its machine; where lines do not, a mix is said."""

    def line(machine: str, event: str, hops: int, **more: Any) -> str:
        return json.dumps(
            {
                "event": event,
                "run_id": "7",
                "state": "a",
                "hops": hops,
                "settled": hops * 10,
                "machine": machine,
                **more,
            }
        )

    steps = [("run_started", 0), ("handed_off", 1), ("handed_off", 2), ("run_finished", 2)]
    lines = [line(m, e, h, source=f"{m}{h}", target=f"{m}{h + 1}", handoff="h") for e, h in steps for m in "AB"]
    log = tmp_path / "both.log"
    log.write_text("\n".join(lines), encoding="utf-8")
    found = told(cli, "worst", str(log))

    assert {("A", 20), ("B", 20)} == {(run["machine"], run["tokens"]) for run in found["dearest"]}
    assert all(each["path"][0].startswith(each["machine"]) for each in found["dearest"])
    assert (2, 0) == (found["read"]["runs"], found["read"]["mixed"])
    older = [text if '"run_started"' in text else text.replace('"machine"', '"of"') for text in lines]
    log.write_text("\n".join(older), encoding="utf-8")
    read, shown = told(cli, "worst", str(log))["read"], cli.invoke(app, ["triage", "worst", str(log)]).output
    assert (2, 1) == (read["runs"], read["mixed"])
    assert "1 run with the id of another that had not ended" in shown
