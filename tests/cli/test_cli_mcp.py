"""`fsm-orch mcp pin` writes what a server says of its tools, and says what has changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.mcp_servers import BARE, PINNED, TOKEN, served
from typer.testing import CliRunner

from fsm_orch.agents.pinned import Described, Pinned, to_text
from fsm_orch.agents.where import Where
from fsm_orch.cli import app

UNFIT = "  any cannot be used: a model cannot be asked for arguments.what, which holds objects with any keys\n"


def pin(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["mcp", "pin", *map(str, words)])
    return done.exit_code, done.stdout, done.stderr


def test_a_server_is_pinned(tmp_path: Path) -> None:
    """The file holds all of its tools, the same bytes each time; those that no model can be asked for are named."""
    file = tmp_path / "shop.tools.json"

    assert pin(file, "--", *BARE) == (0, f"pinned: {file}, {len(PINNED)} tools\n{UNFIT}", "")
    assert file.read_text() == to_text(PINNED)
    assert pin(file, "--", *BARE)[1] == f"pinned: {file}, {len(PINNED)} tools\n  nothing has changed\n{UNFIT}"
    assert file.read_text() == to_text(PINNED)


def test_what_has_changed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change of a file that was there is named, and a variable that the server needs is given by its name."""
    monkeypatch.setenv("SHOP_CHANGED", "1")
    file = tmp_path / "shop.tools.json"
    file.write_text(to_text(PINNED))
    code, said, complaint = pin("--env", "SHOP_CHANGED", file, "--", *BARE)

    assert (code, complaint) == (0, "")
    assert "  order_status: inputSchema.properties.order.type\n" in said
    assert "  dying is gone\n" in said
    assert [*json.loads(file.read_text())["tools"]] == ["order_status"]


def test_a_server_at_a_url_is_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a header comes from the environment, so that it is in no history of a shell."""
    monkeypatch.setenv("SHOP_AUTH", f"Bearer {TOKEN}")
    file = tmp_path / "shop.tools.json"
    with served() as web:
        code, _, complaint = pin("--header", "Authorization=SHOP_AUTH", file, web.url)

    assert (code, complaint) == (0, "")
    assert file.read_text() == to_text(PINNED)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["FILE", "--", "there-is-no-such"], "cannot be reached (FileNotFoundError: No such file or directory): try"),
        (["FILE", "http://127.0.0.1:9/mcp"], "cannot be reached (ConnectError): is it there"),
        (["FILE", "http://127.0.0.1:9/mcp?key=5"], "say secrets in headers="),
        (["--env", "NO_SUCH", "FILE", "--", *BARE], "there is no variable 'NO_SUCH' in the environment"),
        (["--header", "a=NO_SUCH", "FILE", "http://x.example"], "there is no variable 'NO_SUCH' in the environment"),
        (["FOLDER/none/shop.json", "--", *BARE], "cannot write"),
        (["OTHER", "--", *BARE], "is not a file of pinned tools: name another file, or say --force"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(tmp_path: Path, words: list[str], said: str) -> None:
    """It is one line on stderr, the exit code is 2, and nothing is written."""
    other = tmp_path / "other.json"
    other.write_text("{}")
    placed = [word.replace("FILE", str(tmp_path / "f")).replace("FOLDER", str(tmp_path)) for word in words]
    code, out, complaint = pin(*(word.replace("OTHER", str(other)) for word in placed))

    assert (code, out) == (2, "")
    assert said in complaint
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_what_no_pinned_file_could_hold_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number without end is no JSON: the file would be refused wherever it is read."""
    endless = {"a": Described(input_schema={"type": "object", "maximum": float("inf")}, description="A.")}

    async def tools(self: Where, *, within_s: float) -> Pinned:
        return endless

    monkeypatch.setattr(Where, "tools", tools)
    code, _, stderr = pin(tmp_path / "new.json", "--", "shop")

    assert (code, [*tmp_path.iterdir()]) == (2, [])
    assert "the server describes its tools by a number that is no JSON" in stderr
