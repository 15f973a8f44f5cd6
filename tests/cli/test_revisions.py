"""Versions of a machine from revisions of git, beside the one of today."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.repository import Repository

from fsm_orch import discover
from fsm_orch.cli.migrate.revisions import version
from fsm_orch.cli.show import CommandError
from fsm_orch.define.machine import AnyMachine
from fsm_orch.errors import DiscoveryError, FsmError
from fsm_orch.kernel.engine import judged

HELPER = "LIMIT = {limit}\n"
SHOP = """
    from fsm_orch import *
    from {package}helper import LIMIT

    class Ticket(Context):
        amount: int

    @guard
    def is_small(ticket: Ticket) -> bool:
        return ticket.amount < LIMIT

    def look(visit: Visit[Ticket]): return {{}}

    class Shop(Machine[Ticket]):
        look = State(look, reads=Ticket.amount, initial=True)
        {name}, human = Final(), Final(fallback=True)
        done = look.to({name}, guard=is_small)
"""


def shop(name: str = "answered", package: str = "shops.") -> str:
    """Return a module of a shop."""
    return SHOP.format(name=name, package=package)


def is_small(machine: AnyMachine) -> bool:
    """Return whether 10 is small to a machine."""
    guard = machine.definition.handoffs[0].guard
    assert guard is not None
    return judged(guard, machine.definition.context(amount=10)).holds


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    before = {*sys.modules}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield Repository(tmp_path)
    for name in {*sys.modules} - before:
        del sys.modules[name]


def test_a_revision_and_today_are_two_machines_of_one_name(repository: Repository) -> None:
    """Each has its own code, and that of what it imports; the name is the same, since the digest holds it."""
    commit = repository.commit(shops__shop=shop(), shops__helper=HELPER.format(limit=1), tag="v1")
    repository.write(shops__shop=shop("closed"), shops__helper=HELPER.format(limit=100))
    new = discover.machine("shops.shop", repository.top)
    with version("v1", "shops.shop", repository.top) as old:
        was, now = (is_small(machine) for machine in (old.machine, new))

    assert ("Shop", "shops.shop", commit) == (old.machine.__name__, old.machine.__module__, old.commit)
    assert ({"answered", "human"}, {"closed", "human"}) == ({*old.machine.definition.finals}, {*new.definition.finals})
    assert (False, True) == (was, now)


def test_what_did_not_change_has_the_same_digest(repository: Repository) -> None:
    """So runs that began on the code of a revision are found, by whatever name of its module."""
    repository.commit(shops__shop=shop(), shops__helper=HELPER.format(limit=1))
    new = discover.machine("shops.shop", repository.top)
    for named in ("main", "HEAD", "HEAD:shops.shop:Shop", "HEAD:shops/shop.py"):
        with version(named, "shops.shop:Shop", repository.top) as old:
            assert old.machine is not new
            assert old.machine.definition.digest == new.definition.digest


def test_all_is_put_back(repository: Repository) -> None:
    """What was imported before is what it was, the path and the folder too; the repository was only read."""
    repository.commit(shops__shop=shop(), shops__helper=HELPER.format(limit=1))
    new, modules, path = discover.machine("shops.shop", repository.top), dict(sys.modules), [*sys.path]
    state = repository.state
    with version("HEAD", "shops.shop", repository.top):
        assert repository.top == Path.cwd()
    after = {name: module for name, module in sys.modules.items() if name in modules}

    assert (modules, path, state) == (after, sys.path, repository.state)
    assert new is discover.machine("shops.shop", repository.top)
    assert not {*sys.modules} - {*modules}


def test_packages_without_an_init_are_put_back_too(repository: Repository) -> None:
    """However deep they are, and although nothing of today was imported."""
    repository.commit(a__b__shop=shop(package="a.b."), a__b__helper=HELPER.format(limit=1))
    with version("HEAD", "a.b.shop", repository.top) as old:
        assert "a.b.shop" == old.machine.__module__

    assert not [place for place in sys.path if place.endswith("/tree")]
    assert not {"a", "a.b", "a.b.shop", "a.b.helper"} & {*sys.modules}


def test_what_a_revision_took_from_today_is_not_left(repository: Repository) -> None:
    """A link of the revision may lead into the tree of today: it is refused, and what it led to is imported anew."""
    repository.commit(real__shop=shop(package=""), helper=HELPER.format(limit=1))
    (repository.top / "shop.py").symlink_to(repository.top / "real" / "shop.py")
    repository.commit()
    with pytest.raises(CommandError, match="which it does not hold"), version("HEAD", "shop", repository.top):
        pass

    assert not {"shop", "helper"} & {*sys.modules}


@pytest.mark.parametrize("wrong", [".git", "/nowhere"])
def test_in_a_hook_of_git_a_revision_is_of_this_folder(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """Git tells its hooks where it works, by variables that would mislead it in another folder."""
    commit = repository.commit(src__shop=shop(package=""), src__helper=HELPER.format(limit=1))
    monkeypatch.setenv("GIT_DIR", wrong)
    monkeypatch.setenv("GIT_INDEX_FILE", wrong)
    with version("HEAD", "shop", repository.top / "src") as old:
        assert (commit, "shop") == (old.commit, old.target)


def test_a_module_that_came_later_is_no_module_of_a_revision(repository: Repository) -> None:
    """It is not taken from today's tree, where it lies."""
    repository.commit(shops__shop=shop())
    repository.write(shops__helper=HELPER.format(limit=1))
    with (
        pytest.raises(DiscoveryError, match=r"No module named 'shops\.helper'"),
        version("HEAD", "shops.shop", repository.top),
    ):
        pass

    assert "Shop" == discover.machine("shops.shop", repository.top).__name__


def test_a_folder_below_the_top_stands_for_itself(repository: Repository) -> None:
    """As with a package in `src`: names start from there in both."""
    repository.commit(src__shop=shop(package=""), src__helper=HELPER.format(limit=1))
    root = repository.top / "src"
    new = discover.machine("shop", root)
    with version("HEAD", "shop", root) as old:
        assert (old.machine.__module__, old.machine.definition.digest) == (new.__module__, new.definition.digest)
        assert old.machine is not new


def test_a_branch_may_be_called_as_a_library_is(repository: Repository) -> None:
    """Such as `test`, or `json`: nobody has a machine there."""
    commit = repository.commit(tag="json", main=shop(package=""), helper=HELPER.format(limit=1))
    with version("json", "main", repository.top) as branch:
        assert commit == branch.commit


@pytest.mark.parametrize("named", ["main", "main:Shop"])
def test_what_is_a_module_and_a_revision_is_asked_back(repository: Repository, named: str) -> None:
    """With `main.py` beside the branch `main`, today's version would be held against itself, and all would be well."""
    commit = repository.commit(main=shop(package=""), helper=HELPER.format(limit=1))
    told = f"is a module here and a revision of git: say ./main.py for the module, or {commit[:12]} for the revision"
    with pytest.raises(CommandError, match=told), version(named, "main", repository.top):
        pass
    with version("./main.py", "main", repository.top) as module, version(commit[:12], "main", repository.top) as branch:
        assert (None, commit) == (module.commit, branch.commit)


def test_a_place_in_a_revision_is_named_by_it(repository: Repository) -> None:
    """Nobody can look at the scratch folder once it is said."""
    repository.commit(
        syntax="class Shop(", builds=shop(package="").replace("initial=True", "initial=False"), helper="LIMIT = 1"
    )
    for target, problem in {
        "syntax": "SyntaxError at HEAD:syntax.py:1",
        "builds": r"Shop of HEAD does not build: 1 finding\nFSM101 HEAD:builds.py:\d+\n",
        "nowhere": "No module, file or folder 'nowhere' in HEAD or on the Python path",
    }.items():
        with pytest.raises(FsmError, match=problem) as raised, version("HEAD", target, repository.top):
            pass
        assert "fsm_orch_" not in str(raised.value)


@pytest.mark.parametrize("named", ["nowhere", "HEAD~7", "-h", "--exec=x:main", ":main", ""])
def test_what_is_neither_is_said(repository: Repository, named: str) -> None:
    """No word of it is an option of git."""
    repository.commit(main=shop(package=""), helper=HELPER.format(limit=1))
    with (
        pytest.raises(CommandError, match="revision of git here: git log and git tag show"),
        version(named, "main", repository.top),
    ):
        pass


def test_without_a_repository_a_revision_is_none(tmp_path: Path) -> None:
    """It is said as of a module that is not there."""
    with pytest.raises(CommandError, match="Nor is 'v1' a revision"), version("v1", "main", tmp_path):
        pass
