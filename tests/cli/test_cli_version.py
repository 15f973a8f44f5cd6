"""`fsm-orch --version`."""

from importlib.metadata import version

from typer.testing import CliRunner

from fsm_orch.cli import app


def test_the_version_is_the_distributions() -> None:
    """The command says its name and the version that is installed."""
    done = CliRunner().invoke(app, ["--version"])

    assert (0, f"fsm-orch {version('fsm_orch')}\n") == (done.exit_code, done.output)
