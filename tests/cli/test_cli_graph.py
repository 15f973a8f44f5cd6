"""`fsm-orch graph`, and the command as a whole."""

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from fsm_orch.cli import app
from fsm_orch.cli.graph import Format


def test_mermaid_is_the_default(cli, desk):
    """A diagram is written to stdout, ready to be pasted."""
    result = cli.invoke(app, ["graph", desk])

    assert result.exit_code == 0
    assert result.stdout.startswith("flowchart TD\n")
    assert result.stdout.endswith("\n")


def test_dot_is_written_on_demand(cli, desk):
    """The other language is chosen by --format."""
    assert cli.invoke(app, ["graph", desk, "--format", "dot"]).stdout.startswith("digraph machine {\n")


@pytest.mark.parametrize(
    ("language", "beginning"),
    [("svg", "<svg "), ("promela", "/* Desk: Answer, or land.\n"), ("tla", "---- MODULE "), ("json", "{\n")],
)
def test_every_language_is_written(cli, desk, language, beginning):
    """Pictures, the texts for model checkers and JSON come out the same way, on stdout alone."""
    result = cli.invoke(app, ["graph", desk, "--format", language])

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(beginning)
    assert result.stdout.endswith("\n")


def test_json_names_the_definition_by_its_digest(cli, desk):
    """The JSON is the canonical definition, with the digest that journals know it by."""
    read = json.loads(cli.invoke(app, ["graph", desk, "--format", "json"]).stdout)

    assert read["digest"] == sys.modules[desk].Desk.definition.digest
    assert read["definition"] == json.loads(json.dumps(sys.modules[desk].Desk.definition.canonical))


@pytest.mark.parametrize("language", ["mermaid", "svg"])
def test_a_file_is_written_on_demand(cli, desk, tmp_path, language):
    """With --output, stdout stays empty and the file holds what stdout would have."""
    result = cli.invoke(app, ["graph", desk, "--format", language, "--output", str(tmp_path / "drawn")])

    assert (result.exit_code, result.stdout) == (0, "")
    shown = cli.invoke(app, ["graph", desk, "--format", language]).stdout
    assert (tmp_path / "drawn").read_text(encoding="utf-8") == shown


def test_a_file_that_cannot_be_written_is_one_line(cli, desk, tmp_path):
    """A folder that is not there is said so, exit code 2."""
    result = cli.invoke(app, ["graph", desk, "--output", str(tmp_path / "nowhere" / "drawn")])

    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "No such file or directory" in result.stderr


@pytest.mark.parametrize("language", list(Format))
def test_a_file_that_is_no_drawing_is_kept(cli, desk, tmp_path, language):
    """A file is drawn anew, and one that holds anything else, or a drawing among other words, only with --force."""
    place, line = tmp_path / "there", ["graph", desk, "--format", language, "--output", str(tmp_path / "there")]
    cli.invoke(app, line)
    drawn = place.read_bytes()

    assert 0 == cli.invoke(app, line).exit_code
    for held in (b"# Notes\n", b"# Notes\n" + drawn):
        place.write_bytes(held)
        refused = cli.invoke(app, line)
        assert (2, held) == (refused.exit_code, place.read_bytes())
        assert "is there, and is not a" in refused.stderr
    assert 0 == cli.invoke(app, [*line, "--force"]).exit_code
    assert drawn == place.read_bytes()


def test_a_picture_without_its_package_says_what_to_install(cli, desk, monkeypatch):
    """Where pygraphviz is missing, the one line names the extra."""
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    for module in ("fsm_orch.export.svg", "fsm_orch.export.layout"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    result = cli.invoke(app, ["graph", desk, "--format", "svg"])

    assert result.exit_code == 2
    assert "pip install -e '.[svg]'" in result.stderr


def test_a_picture_is_a_document(cli, desk):
    """The SVG is well-formed XML."""
    root = ElementTree.fromstring(cli.invoke(app, ["graph", desk, "--format", "svg"]).stdout)

    assert root.tag.endswith("}svg")


def test_what_a_module_prints_is_not_in_the_diagram(cli, write, desk_source):
    """Stdout holds the diagram alone, so that it can be piped."""
    result = cli.invoke(app, ["graph", write(desk_source + "\n    print('hello')\n")])

    assert result.stdout.startswith("flowchart TD\n")
    assert result.stderr == "hello\n"


def test_help_names_every_command(cli):
    """The root help lists the commands."""
    shown = cli.invoke(app, ["--help"]).stdout

    assert all(f" {command} " in shown for command in ("run", "check", "graph", "model"))


def test_the_command_line_loads_no_sdk_and_no_solver():
    """`fsm-orch --help` imports neither a provider's SDK nor a native library."""
    heavy = "openai", "anthropic", "xllamacpp", "scipy", "numpy", "httpx2", "pygraphviz"
    code = f"import sys, fsm_orch.cli; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout == "[]\n"
