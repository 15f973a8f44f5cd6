"""`fsm-orch check`: which machines are checked, of modules, names and folders."""

import json

from support.checked import BAD

from fsm_orch.cli import app


def test_every_machine_of_a_module_is_checked(cli, write, desk_source):
    """Without a name all machines are shown in their order; with one only that."""
    module = write(
        desk_source + "\n    class Other(Machine[Ticket]):\n" + desk_source.split("'''Answer, or land.'''")[1]
    )

    both = cli.invoke(app, ["check", module]).stdout
    one = cli.invoke(app, ["check", f"{module}:Other"]).stdout
    assert both.index("Desk builds") < both.index("Other builds")
    assert "Desk" not in one
    refused = cli.invoke(app, ["check", module, "--certificate", "one.json"])
    assert (refused.exit_code, refused.stderr) == (
        2,
        "fsm-orch: A file holds what is said of one machine, and there are 2: name one\n",
    )


def test_several_targets_are_checked_in_their_order(cli, write, desk, ask):
    """Each machine is checked once, however often it is named; the exit code is that of the worst."""
    bad = write(BAD)
    page = cli.invoke(app, ["check", ask, bad, f"{desk}.py", f"{ask}.py", f"{bad}.py"])

    shown = [line.split()[0] for line in page.stdout.splitlines() if " does not build: " in line or " builds " in line]
    assert ["Ask", "Bad", "Desk"] == shown
    assert (page.exit_code, cli.invoke(app, ["check", ask, desk]).exit_code) == (1, 0)


def test_every_module_of_a_folder_is_checked(cli, write, desk_source):
    """One that does not build is shown in its place, fails the check, and keeps no other from being checked."""
    names = {f"{write(source)}.py": name for name, source in (("Bad", BAD), ("Desk", desk_source)) for _ in range(2)}
    page, data = cli.invoke(app, ["check", "."]), cli.invoke(app, ["check", ".", "--json"])

    shown = [line.split()[:2] for line in page.stdout.splitlines() if " does not build: " in line or " builds " in line]
    assert (page.exit_code, data.exit_code) == (1, 1)
    assert [[names[file], "does" if names[file] == "Bad" else "builds"] for file in sorted(names)] == shown
    assert [names[file] for file in sorted(names)] == [one["machine"] for one in json.loads(data.stdout)["machines"]]


def test_one_target_that_is_not_there_is_said_before_anything_is_checked(cli, ask):
    """A misspelt name must not look like a machine that was checked."""
    refused = cli.invoke(app, ["check", ask, "nowhere"])

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("fsm-orch: No module, file or folder 'nowhere'")


def test_a_module_that_is_not_there_exits_with_2(cli):
    """Nothing was checked, so it is neither 0 nor 1."""
    result = cli.invoke(app, ["check", "nowhere"])

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("fsm-orch: No module, file or folder 'nowhere'")
