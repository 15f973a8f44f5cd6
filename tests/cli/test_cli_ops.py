"""`fsm-orch ops`: what operators start from is written whole, and nothing of theirs is written over."""

import os
import subprocess
from pathlib import Path

import pytest
from support.fleet import SCRIPT

import fsm_orch
from fsm_orch.cli import app

SHIPPED = Path(fsm_orch.__file__).parent / "observe" / "ops"


def test_files_are_written_as_they_are_shipped(cli, tmp_path):
    """A folder is made, with the alerts, their tests, the dashboard and a configuration, whose paths are printed."""
    folder = tmp_path / "deep" / "ops"

    result = cli.invoke(app, ["ops", "export", str(folder)])

    assert (result.exit_code, result.stderr) == (0, "")
    assert {each.name: each.read_bytes() for each in SHIPPED.iterdir()} == {
        each.name: each.read_bytes() for each in folder.iterdir()
    }
    assert result.stdout.splitlines() == [str(each) for each in sorted(folder.iterdir())]


def test_what_was_changed_is_kept(cli, tmp_path):
    """Written twice it is the same; a file that its owner has changed is named, and no other is written either."""
    assert cli.invoke(app, ["ops", "export", str(tmp_path)]).exit_code == 0
    assert cli.invoke(app, ["ops", "export", str(tmp_path)]).exit_code == 0
    (tmp_path / "prometheus.yml").write_text("mine")
    (tmp_path / "fsm_orch.rules.yml").unlink()

    result = cli.invoke(app, ["ops", "export", str(tmp_path)])

    assert result.exit_code == 2
    assert "prometheus.yml' is there, and is not as this command writes it" in result.stderr
    assert (tmp_path / "prometheus.yml").read_text() == "mine"
    assert not (tmp_path / "fsm_orch.rules.yml").exists()
    assert cli.invoke(app, ["ops", "export", str(tmp_path), "--force"]).exit_code == 0
    assert (tmp_path / "prometheus.yml").read_bytes() == (SHIPPED / "prometheus.yml").read_bytes()


def test_a_folder_that_cannot_be_made_is_one_line(cli, tmp_path):
    """Where a file stands in the way, a line says so."""
    (tmp_path / "file").touch()

    result = cli.invoke(app, ["ops", "export", str(tmp_path / "file" / "ops")])

    assert result.exit_code == 2
    assert result.stderr.startswith("fsm-orch: cannot make ")


def test_it_says_which_alerts_cannot_fire(cli, tmp_path):
    """With a machine it is said what the limits and edges of that rule out."""
    result = cli.invoke(app, ["ops", "export", str(tmp_path), "machines.shop"])

    assert result.stdout.splitlines()[4:] == [
        "ShopFloor: RequestTokens cannot fire, its limit is 6,000 tokens",
        "ShopFloor: SelfHandoff cannot fire, no handoff leads where it comes from",
        "ShopFloor: HumansAway cannot fire, it asks no human",
    ]


@pytest.mark.parametrize(("target", "name"), [("machines.travel", "Travel"), ("machines.refund", "Refunds")])
def test_machines_inside_count(cli, tmp_path, target, name):
    """What a machine inside may do, such as ask a human, is not ruled out."""
    result = cli.invoke(app, ["ops", "export", str(tmp_path), target])

    assert result.exit_code == 0
    assert f"{name}: SelfHandoff" in result.stdout
    assert f"{name}: HumansAway" not in result.stdout


def test_a_machine_that_does_not_build_leaves_nothing(cli, tmp_path, write):
    """Its findings are shown, exit code 2, and nothing is written."""
    broken = write("from fsm_orch import *\nclass T(Context):\n    x: str\nclass X(Machine[T]):\n    '''No.'''\n")

    result = cli.invoke(app, ["ops", "export", str(tmp_path / "ops"), broken])

    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, "X does not build: 2 findings")
    assert not (tmp_path / "ops").exists()


def test_what_is_no_file_is_refused_at_once(cli, tmp_path):
    """A named pipe that nobody reads, and a link to nothing, as a file or as the folder: nothing else is written."""
    os.mkfifo(tmp_path / "prometheus.yml")
    piped = cli.invoke(app, ["ops", "export", str(tmp_path), "--force"])
    (tmp_path / "prometheus.yml").unlink()
    (tmp_path / "prometheus.yml").symlink_to(tmp_path / "nowhere" / "prometheus.yml")
    linked = cli.invoke(app, ["ops", "export", str(tmp_path), "--force"])
    (tmp_path / "ops").symlink_to(tmp_path / "nowhere")
    folder = cli.invoke(app, ["ops", "export", str(tmp_path / "ops")])

    assert [2, 2, 2] == [result.exit_code for result in (piped, linked, folder)]
    assert "prometheus.yml': it is a named pipe. Name a file" in piped.stderr
    assert "prometheus.yml': it is a link to what is not there" in linked.stderr
    assert "ops': it is a link to what is not there" in folder.stderr
    assert ["ops", "prometheus.yml"] == sorted(each.name for each in tmp_path.iterdir())


def test_a_folder_that_is_read_only_is_refused(cli, tmp_path, monkeypatch):
    """Before any file is written."""
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write to all

    result = cli.invoke(app, ["ops", "export", str(tmp_path)])

    assert result.exit_code == 2
    assert "Permission denied. Name a file in an existing folder" in result.stderr
    assert [] == list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_good_file(cli, tmp_path):
    """A real limit on the size of files stands for it: what was there is whole, and nothing half-written is left."""
    rules = tmp_path / "fsm_orch.rules.yml"
    rules.write_text("groups: []\n", encoding="utf-8")
    limited = f"ulimit -f 1; trap '' XFSZ; exec {SCRIPT} ops export {tmp_path} --force"
    ran = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)

    assert (2, 1) == (ran.returncode, ran.stderr.count("\n"))
    assert "cannot write" in ran.stderr
    assert "groups: []\n" == rules.read_text(encoding="utf-8")
    assert not [each.name for each in tmp_path.iterdir() if each.name.startswith(".")]


def test_a_link_and_its_mode_stay(cli, tmp_path):
    """What a link leads to is written, with the mode that it had; a new file has that of every new file."""
    kept = tmp_path / "kept.yml"
    kept.touch(mode=0o640)
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "prometheus.yml").symlink_to(kept)
    (tmp_path / "other").touch()

    assert cli.invoke(app, ["ops", "export", str(tmp_path / "ops")]).exit_code == 0
    assert (tmp_path / "ops" / "prometheus.yml").is_symlink()
    assert (SHIPPED / "prometheus.yml").read_bytes() == kept.read_bytes()
    assert 0o640 == kept.stat().st_mode & 0o777
    fresh = tmp_path / "ops" / "fsm_orch.rules.yml"
    assert (tmp_path / "other").stat().st_mode == fresh.stat().st_mode
