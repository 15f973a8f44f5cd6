"""`fsm-orch check --certificate` and `--counterexample`: what is written, and where it is not."""

import errno
import os
from unittest import mock

import pytest
from support.checked import BROKEN

from fsm_orch.cli import app, check
from fsm_orch.proof.bounds.certificate import Certificate


def test_a_certificate_is_written(cli, ask, write, ask_source, tmp_path):
    """What is written is read back as the machine's."""
    cli.invoke(app, ["check", ask, "--certificate", "ask.json", "--model", "local:smollm2"])

    certificate = Certificate.load((tmp_path / "ask.json").read_text(encoding="utf-8"))
    assert (certificate.machine, certificate.bounds["tokens"].bound) == ("Ask", 4_608)
    assert certificate.models == {"ask": "local:smollm2"}
    own = write(ask_source.replace('LLMAgent("Answer.", ', 'LLMAgent("Answer.", model="openai:gpt-5-mini", '))
    cli.invoke(app, ["check", own, "--certificate", "own.json", "--model", "local:smollm2"])
    written = (tmp_path / "own.json").read_text(encoding="utf-8")
    assert Certificate.load(written).models == {"ask": "openai:gpt-5-mini"}
    refused = cli.invoke(app, ["check", ask, "--certificate", "other.json"])
    assert "A certificate is bound to models, and 'ask' names none: give --model" in refused.stderr
    assert not (tmp_path / "other.json").exists()


def test_a_counterexample_is_written_as_a_test(cli, write, tmp_path):
    """It names the machine where it is imported from, and the policy."""
    module = write(BROKEN)
    cli.invoke(app, ["check", module, "--counterexample", "test_found.py"])

    source = (tmp_path / "test_found.py").read_text(encoding="utf-8")
    assert f"from {module} import Broken, Ticket\n" in source
    assert "    assert_kept(Broken, Broken.policies[0], result)\n" in source


def test_no_counterexample_is_said(cli, ask, tmp_path):
    """A machine whose policies hold has none, and nothing is written."""
    result = cli.invoke(app, ["check", ask, "--counterexample", "test_found.py"])

    assert result.stderr == "fsm-orch: Ask has no counterexample, so test_found.py was not written\n"
    assert not (tmp_path / "test_found.py").exists()


def test_one_file_cannot_hold_both(cli, write, tmp_path):
    """A certificate and a counterexample that name one file are refused, however it is spelt."""
    line = ["check", write(BROKEN), "--certificate", "one", "--counterexample", "./one", "--model", "local:smollm2"]
    refused = cli.invoke(app, line)

    assert (refused.exit_code, refused.stderr) == (2, "fsm-orch: 'one' cannot hold both: name two files\n")
    assert not (tmp_path / "one").exists()


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
@pytest.mark.parametrize("file", ["nowhere/file", "folder", ""])
def test_a_file_that_cannot_be_written_is_one_line(cli, write, tmp_path, monkeypatch, option, file):
    """It is said before anything is explored, with the file and the reason; 1 would mean a finding."""
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(check, "proved", lambda *_, **__: pytest.fail("explored"))
    refused = cli.invoke(app, ["check", write(BROKEN), option, file, "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    reason = "No such file or directory" if file == "nowhere/file" else "Is a directory"
    assert refused.stderr == f"fsm-orch: cannot write {file or '.'!r}: {reason}. Name a file in an existing folder\n"


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
def test_a_file_that_is_refused_at_last_is_one_line(cli, write, monkeypatch, option):
    """What cannot be known before is said the same way."""
    refusal = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(os, "replace", mock.Mock(side_effect=refusal))
    refused = cli.invoke(app, ["check", write(BROKEN), option, "found", "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("fsm-orch: cannot write 'found': Permission denied. ")


@pytest.mark.parametrize(
    ("option", "kind"), [("--certificate", "a certificate"), ("--counterexample", "a counterexample")]
)
@pytest.mark.parametrize("held", ["SECRET=1\n", "{}", '{"machine": "Ask"}', "[1]", "\xff"])
def test_a_file_of_another_kind_is_kept(cli, write, tmp_path, monkeypatch, option, kind, held):
    """What is there, and is not what would be written, is refused before anything is explored, and not touched."""
    (tmp_path / "there").write_text(held, encoding="latin-1")
    with monkeypatch.context() as without:
        without.setattr(check, "proved", lambda *_, **__: pytest.fail("explored"))
        refused = cli.invoke(app, ["check", write(BROKEN), option, "there", "--model", "local:smollm2"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr == f"fsm-orch: 'there' is there, and is not {kind}: name another file, or say --force\n"
    assert held == (tmp_path / "there").read_text(encoding="latin-1")


@pytest.mark.parametrize("option", ["--certificate", "--counterexample"])
@pytest.mark.parametrize("held", [None, "", "SECRET=1\n"])
def test_what_was_written_before_is_written_anew(cli, write, tmp_path, option, held):
    """A file of the same kind, an empty one, and any with --force, is written over."""
    line = ["check", write(BROKEN), option, "there", "--model", "local:smollm2"]
    cli.invoke(app, line)
    written = (tmp_path / "there").read_bytes()
    if held is not None:
        (tmp_path / "there").write_text(held)

    again = cli.invoke(app, [*line, "--force"] if held else line)

    assert (again.exit_code, again.stderr) == (1, "")
    assert written == (tmp_path / "there").read_bytes()
