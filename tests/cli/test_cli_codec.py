"""`--codec`: commands read and write a store whose texts pass through a codec."""

import pytest
from cli.conftest import SAID, STORE, TOOL, URL, USE, asked, assert_refused, scripted

from fsm_orch.cli import app

pytestmark = pytest.mark.usefixtures("at_once")


CODEC = """
    import os

    class Mirror:
        def encode(self, place, text):
            return text[::-1]

        def decode(self, place, stored):
            return stored[::-1]

    def mirror():
        return Mirror()

    def fails():
        raise ValueError("the key is s3cret")

    def none():
        return "s3cret"
"""


def test_a_store_is_shown_and_driven_through_its_codec(cli, write, monkeypatch):
    """The function that makes it is named, as an option or in the environment; without it nothing is read."""
    codec = f"{write(CODEC)}:mirror"
    module = write(TOOL)
    scripted(monkeypatch, USE)
    began = cli.invoke(app, ["run", module, "a cup", *STORE, "--codec", codec])
    run_id, status = asked(URL)
    assert (began.exit_code, status) == (3, "waiting"), began.output
    refused = cli.invoke(app, ["runs", "show", run_id, *STORE])
    shown = cli.invoke(app, ["runs", "show", run_id, module, *STORE, "--codec", codec])
    scripted(monkeypatch, SAID)
    answered = cli.invoke(app, ["runs", "answer", run_id, module, "yes", *STORE], env={"FSM_ORCH_CODEC": codec})

    assert_refused(refused, f"input 0 of run '{run_id}' cannot be read", "was it stored with a codec")
    assert "a cup" in shown.stdout
    assert answered.exit_code == 0, answered.output
    assert asked(URL) == (run_id, "finished")


@pytest.mark.parametrize(
    ("name", "said"), [("fails", "raised ValueError"), ("none", "returned a str"), ("nobody", "No function")]
)
def test_a_codec_that_cannot_be_made_is_one_line_without_its_key(cli, write, tool, name, said):
    """What its function raises or returns may hold a key, and is not shown."""
    codec = f"{write(CODEC)}:{name}"
    for command in (["runs", "show", asked(URL)[0]], ["worker", tool]):
        result = cli.invoke(app, [*command, *STORE, "--codec", codec])

        assert_refused(result, said)
        assert "s3cret" not in result.output
