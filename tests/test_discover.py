"""One way to name machines, on the command line and in pytest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import scipy.optimize
from typer.testing import CliRunner

from fsm_orch import DefinitionError
from fsm_orch.cli import app
from fsm_orch.define.machine import is_machine
from fsm_orch.discover import machine, machines, modules
from fsm_orch.errors import DiscoveryError
from fsm_orch.testing import plugin

pytest_plugins = ["pytester"]
KEPT = plugin, scipy.optimize
"""A session within a test forgets what it was the first to import, and these cannot be imported anew."""

ROOT = Path(__file__).parents[1]

SOURCE = """
from fsm_orch import *

class Ticket(Context):
    query: str
    answer: str | None = None

def reply(visit: Visit[Ticket]):
    return {Ticket.answer: "Yes."}

class Desk(Machine[Ticket]):
    '''Answer.'''
    work = State(reply, reads=(Ticket.query,), writes=(Ticket.answer,), initial=True)
    answered, human = Final(), Final(fallback=True)
    done = work.to(answered)
"""
"""A machine whose digest holds the name of its module, by that of a function."""

BAD = "from fsm_orch import *\nclass Bad(Machine[Context]): x = Final()"

FILES = {
    "desks/__init__.py": "from desks.shop import Shop as Front",
    "desks/shop.py": SOURCE.replace("Desk", "Shop"),
    "desks/several.py": SOURCE
    + "First = Again = Desk\n"
    + SOURCE.replace("initial=True", "initial=True, max_visits=2"),
    "flows/desk.py": SOURCE,
    "flows/more/desk.py": SOURCE,
    "flows/test_desk.py": SOURCE,
    "flows/__main__.py": "raise SystemExit",
    "flows/.hidden/desk.py": SOURCE,
    "my-flows/my-desk.py": SOURCE,
    "a:b/desk.py": SOURCE,
    "v1.2/dotted.py": SOURCE,
    "src/lib/own.py": SOURCE,
    "notes.txt": "",
    "empty/notes.txt": "",
    "json.py": SOURCE,
    "raises.py": "\n1 / 0",
    "exits.py": "import sys\nsys.exit('no arguments')",
    "unparsed.py": "x = = 1",
    "misses.py": "import nowhere_to_be_found",
    "refuses.py": "from fsm_orch import *\nLLMAgent(' ')",
    "misnames.py": "from fsm_orch import Limits\nLimits(deadline=30)",
    "misspells.py": "from fsm_orch import *\nclass Desk(Machine[Context]):\n    triage = Final()\n    triag\n",
    "none.py": "from fsm_orch import *",
    "gathers.py": "from desks.shop import Shop as Front\nOld = Front",
    "../elsewhere/away.py": SOURCE,
    "../packed/pack/__init__.py": "",
    "../packed/pack/desk.py": SOURCE,
    "../same/one/same.py": SOURCE,
    "../same/two/same.py": SOURCE,
    "partly/a.py": SOURCE,
    "partly/b.py": BAD,
    "partly/c.py": "import partly.b",
    "partly/d.py": SOURCE,
}

SEVERAL = ["desks.several:Desk", "desks.several:First"]
SHOP = "desks.shop:Shop"
FLOWS = ["flows.desk:Desk", "flows.more.desk:Desk"]

SPELLINGS = {
    "desks.shop": [SHOP],
    "desks/shop.py": [SHOP],
    "./flows/../desks/shop.py": [SHOP],
    "{here}/desks/shop.py": [SHOP],
    "desks.shop:Shop": [SHOP],
    "desks/shop.py:Shop": [SHOP],
    "{here}/desks/shop.py:Shop": [SHOP],
    "desks:Front": [SHOP],
    "desks/:Front": [SHOP],
    "desks/__init__.py:Front": [SHOP],
    "gathers:Old": [SHOP],
    "desks.several": SEVERAL,
    "desks/several.py:First": SEVERAL[1:],
    "desks": [*SEVERAL, SHOP],
    "desks/": [*SEVERAL, SHOP],
    "{here}/desks": [*SEVERAL, SHOP],
    "flows": FLOWS,
    "flows/": FLOWS,
    "flows.more": FLOWS[1:],
    "flows.desk": FLOWS[:1],
    "flows/more/desk.py:Desk": FLOWS[1:],
    "my-flows/my-desk.py": ["my-flows.my-desk:Desk"],
    "my-flows.my-desk:Desk": ["my-flows.my-desk:Desk"],
    "a:b/desk.py": ["a:b.desk:Desk"],
    "a:b/desk.py:Desk": ["a:b.desk:Desk"],
    "a:b": ["a:b.desk:Desk"],
    "v1.2/dotted.py": ["dotted:Desk"],
    "lib.own": ["lib.own:Desk"],
    "src/lib/own.py": ["lib.own:Desk"],
    "../elsewhere/away.py": ["away:Desk"],
    "{here}/../elsewhere/": ["away:Desk"],
    "../packed": ["pack.desk:Desk"],
    "../packed/pack/desk.py": ["pack.desk:Desk"],
}
"""How machines can be named, and which are meant: each by what Python calls its module, and its first name there."""

WRONG = {
    "": "'' names no module, file or folder",
    ":Desk": "':Desk' names no module, file or folder",
    "nowhere": "No module, file or folder 'nowhere' in {here} or on the Python path",
    "flows..desk": "No module, file or folder 'flows..desk'",
    "a:b/nowhere.py": "No module, file or folder 'a:b/nowhere.py'",
    "sys": "No module, file or folder 'sys'",
    "__main__": "No module, file or folder '__main__'",
    "deks.shop": "Did you mean 'desks.shop'?",
    "desks.shp": "Did you mean 'desks.shop'?",
    "desks/shp.py": "Did you mean 'desks/shop.py'?",
    "desks/shop": "Did you mean 'desks/shop.py'?",
    "desks.shop:Shp": "No machine 'Shp' in 'desks.shop'. Did you mean 'Shop'? Machines: Shop",
    "desks.shop:": "No machine '' in 'desks.shop'. Machines: Shop",
    "flows:Desk": "'flows' is a folder and no package: name the module of the machine too",
    "empty/": "'empty/' is a folder without modules: {here}/empty",
    "notes.txt": "'{here}/notes.txt' is not a module to Python",
    "json.py": "'{here}/json.py' is hidden by another module that Python calls 'json'. Rename the file",
    "../same": "/same/two/same.py' is hidden by another module that Python calls 'same'",
    "raises.py": "Importing 'raises.py' raised ZeroDivisionError at {here}/raises.py:2: division by zero",
    "exits": "Importing 'exits' ends the program at {here}/exits.py:2, sys.exit('no arguments'). Let it do so under",
    "unparsed": "Importing 'unparsed' raised SyntaxError at {here}/unparsed.py:1: ",
    "misses": "raised ModuleNotFoundError at {here}/misses.py:1: No module named 'nowhere_to_be_found'",
    "refuses": "raised ValueError at {here}/refuses.py:2: an LLMAgent needs instructions",
    "misnames": "raised ValidationError at {here}/misnames.py:2: Limits: deadline: there is no such limit, but hops, ",
    "misspells": "raised NameError at {here}/misspells.py:4: name 'triag' is not defined. Did you mean 'triage'?",
    "none": "'none' defines no machine. Write one, class X(Machine[...])",
    "gathers": "'gathers' defines no machine. Write one, class X(Machine[...]), "
    "or name one that it imports: gathers:Front, gathers:Old",
}
"""What cannot be meant, and what both tools say of it."""


@pytest.fixture
def here(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project, which is the current directory; what is imported from it is forgotten afterwards."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    folder = pytester.path / "project"
    for name, source in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder / "src")])
    before = {*sys.modules}
    yield folder
    for name in {*sys.modules} - before:
        if str(pytester.path) in str(sys.modules[name].__spec__):
            del sys.modules[name]


def checked(target: str) -> list[str]:
    """Name the machines that the command line checks by their digests."""
    done = CliRunner().invoke(app, ["check", target, "--json"])
    assert done.exit_code == 0, done.stderr
    return [one["digest"] for one in orjson.loads(done.stdout)["machines"]]


def collected(pytester: pytest.Pytester, target: str, *options: str) -> list[str]:
    """Name the machines that pytest collects by their digests."""
    items, _ = pytester.inline_genitems("-p", "_fsm_orch_pytestplugin", "--fsm", target, *options)
    return list(dict.fromkeys(item._machine.definition.digest for item in items))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_both_tools_take_the_same_spellings(here: Path, pytester: pytest.Pytester, spelling: str) -> None:
    """However machines are spelled, both tools mean the same, under the names that Python has for their modules."""
    target = spelling.format(here=here)

    digests = checked(target)
    found = {
        value.definition.digest: f"{module}:{name}"
        for module in {*sys.modules}
        for name, value in reversed([*vars(sys.modules[module]).items()])
        if is_machine(value) and value.__module__ == module
    }
    assert SPELLINGS[spelling] == [found[digest] for digest in digests]
    assert digests == collected(pytester, target)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_offered_is_a_spelling(here: Path, spelling: str) -> None:
    """What a target's machines are offered by, where one has to be named, finds each of them alone."""
    found = machines(spelling.format(here=here), here)

    assert {**found} == {offered: machine(offered, here) for offered in found}


@pytest.mark.parametrize(
    "target", ["machines.shop", "machines/shop.py", "machines/", f"{ROOT}/machines/shop.py:ShopFloor"]
)
def test_a_digest_does_not_hang_on_the_spelling(target: str, pytester, monkeypatch) -> None:
    """The machine of the README has one digest in both tools, that of the module that its users import."""
    from machines.shop import ShopFloor

    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(ROOT)
    settings = pytester.makeini("[pytest]")

    assert ShopFloor.definition.digest in checked(target)
    assert ShopFloor.definition.digest in collected(pytester, target, "-c", str(settings))


@pytest.mark.parametrize("target", WRONG)
def test_both_tools_say_the_same(here: Path, pytester: pytest.Pytester, target: str) -> None:
    """What cannot be meant is one line of the command line, and no traceback in pytest: the same sentence."""
    said = WRONG[target].format(here=here)

    refused = CliRunner().invoke(app, ["run", target, "x"])
    collecting = pytester.runpytest_inprocess("-p", "_fsm_orch_pytestplugin", "--fsm", target)

    assert (2, "", 1) == (refused.exit_code, refused.stdout, refused.stderr.count("\n"))
    assert said in refused.stderr
    shown = " ".join(" ".join([*collecting.outlines, *collecting.errlines]).split())
    assert f"--fsm: {refused.stderr.strip().removeprefix('fsm-orch: ')}" in shown
    collecting.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    ("target", "offered"),
    [
        ("flows", "flows/desk.py:Desk, flows/more/desk.py:Desk"),
        ("desks.several", "desks.several:Desk, desks.several:First"),
    ],
)
def test_one_of_several_has_to_be_named(here: Path, target: str, offered: str) -> None:
    """A command for one machine lists what there is, each machine once, by its first name."""
    refused = CliRunner().invoke(app, ["run", target, "x"])

    assert f"fsm-orch: {target!r} defines 2 machines. Name one: {offered}\n" == refused.stderr


def test_a_module_that_does_not_build_hides_no_other(here: Path) -> None:
    """All other modules are found; findings that several modules meet are said once."""
    found = machines("partly", here)

    assert ["partly/a.py:Desk", "partly/b.py", "partly/d.py:Desk"] == [*found]
    assert isinstance(found["partly/b.py"], DefinitionError)
    with pytest.raises(DefinitionError, match="Bad does not build"):
        machine("partly", here)


def test_a_package_around_a_module_is_not_run_to_find_it(here: Path) -> None:
    """Nothing runs before it is known what is meant."""
    (here / "desks" / "__init__.py").write_text("raise ValueError('it ran')")

    assert ["desks.shop"] == [module.name for module in modules("desks.shop", here)]
    with pytest.raises(DiscoveryError, match="it ran"):
        machines("desks.shop", here)


def test_a_link_is_a_module_where_it_lies(here: Path) -> None:
    """Python follows no link to name a module, so a linked file in a package bears the package's name."""
    (here / "linked").mkdir()
    (here / "linked" / "__init__.py").touch()
    (here / "linked" / "b.py").symlink_to(here / "flows" / "desk.py")

    by_path, by_name = machine("linked/b.py", here), machine("linked.b", here)

    assert by_path is by_name
    assert "linked.b" == by_name.__module__
    assert ["linked/b.py:Desk"] == [*machines("linked", here)]


def test_a_folder_without_modules_hides_no_module(here: Path) -> None:
    """A module is found by its name beside a folder of data, or a file, that has the same one."""
    (here / "tables").mkdir()
    (here / "tables" / "data.json").write_text("{}")
    (here / "tables.py").write_text(SOURCE)

    assert "tables" == machine("tables", here).__module__
