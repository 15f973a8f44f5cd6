"""`--codec`: commands read and write a store whose texts pass through a codec."""

import pytest
from cli.conftest import CODEC, SAID, STORE, TOOL, URL, USE, asked, assert_refused, scripted

from fsm_orch.cli import app
from fsm_orch.cli.stored import found, journal_of, opened

pytestmark = pytest.mark.usefixtures("at_once")


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
    "words",
    [
        ["fork", "RUN", "MODULE", "--at", "1", "--id", "f"],
        ["replay", "RUN", "MODULE", "--id", "f"],
        ["diff", "RUN", "RUN", "MODULE"],
    ],
)
def test_what_is_made_of_a_run_is_read_through_its_codec(cli, write, desk, words):
    """A fork, a replay and a comparison read journals; without the codec they are refused, and nothing is stored."""
    codec = f"{write(CODEC)}:mirror"
    began = cli.invoke(app, ["run", desk, "hello", *STORE, "--codec", codec])
    run_id, _ = asked(URL)
    command = ["runs", *({"RUN": run_id, "MODULE": desk}.get(word, word) for word in words), *STORE]
    refused = cli.invoke(app, command)
    assert_refused(refused, f"input 0 of run '{run_id}' cannot be read", "was it stored with a codec")
    assert (run_id, "finished") == asked(URL)
    made = cli.invoke(app, [*command, "--codec", codec])

    assert (began.exit_code, made.exit_code, made.stderr) == (0, 0, "")
    if "f" in words:
        with opened(URL, codec) as store:
            assert "hello" == journal_of(store, found(store, "f"))[0].context["query"]


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
