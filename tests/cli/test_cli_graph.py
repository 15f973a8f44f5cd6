"""`fsm-orch graph`, and the command as a whole."""

import subprocess
import sys

from fsm_orch.cli import app


def test_mermaid_is_the_default(cli, desk):
    """A diagram is written to stdout, ready to be pasted."""
    result = cli.invoke(app, ["graph", desk])

    assert result.exit_code == 0
    assert result.stdout.startswith("flowchart TD\n")
    assert result.stdout.endswith("\n")


def test_dot_is_written_on_demand(cli, desk):
    """The other language is chosen by --format."""
    assert cli.invoke(app, ["graph", desk, "--format", "dot"]).stdout.startswith("digraph machine {\n")


def test_what_a_module_prints_is_not_in_the_diagram(cli, write, desk_source):
    """Stdout holds the diagram alone, so that it can be piped."""
    result = cli.invoke(app, ["graph", write(desk_source + "\n    print('hello')\n")])

    assert result.stdout.startswith("flowchart TD\n")
    assert result.stderr == "hello\n"


def test_a_bad_module_is_one_line(cli):
    """No diagram, one line, exit code 2."""
    result = cli.invoke(app, ["graph", "nowhere"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1


def test_help_names_every_command(cli):
    """The root help lists the commands."""
    shown = cli.invoke(app, ["--help"]).stdout

    assert all(f" {command} " in shown for command in ("run", "check", "graph", "model"))


def test_the_command_line_loads_no_sdk_and_no_solver():
    """`fsm-orch --help` imports neither a provider's SDK nor a native library."""
    heavy = "openai", "anthropic", "xllamacpp", "scipy", "numpy", "httpx2"
    code = f"import sys, fsm_orch.cli; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout == "[]\n"
