"""`fsm-orch new`: start a project from a machine of the gallery: its module, a test and a service.

The gallery lies in the wheel as `fsm_orch/gallery`, and in a clone beside the package. It is read as text: nothing of
it is imported, so no extra is needed to copy a machine.
"""

from __future__ import annotations

import ast
import importlib.util
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .show import CommandError, complaints, console

_PACKAGE = Path(__file__).parents[1]
_RESERVED = {"service", "fsm_orch", "machines", "fastapi", "test"}
"""Names that a project's own files have, or import."""

_TEST = '''"""{name}: no run leaves what is declared, whatever its model says."""

from __future__ import annotations

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.testing import RoutingSafety

from {name} import {names}

Test{machine} = RoutingSafety({machine}).TestCase


def test_a_model_that_makes_no_sense() -> None:
    """A run ends where the machine says, or waits for a human."""
    runner = Runner({machine}, model=ScriptedModel([{{"no": "sense"}}] * 20), store=MemoryStore())
{run}
    assert result.status in ("finished", "waiting")
'''
_RUN = '    result = runner.run_sync({context}({field}="anything"){deps})\n'

_SERVICE = '''"""{name} behind HTTP: `uvicorn service:app`."""

from fastapi import FastAPI
from fsm_orch import MemoryStore, Runner
from fsm_orch.service import router

from {name} import {names}
{world}
app = FastAPI(title="{name}")
app.include_router(router(Runner({machine}, model="local:smollm2", store=MemoryStore()){deps}))
'''

_SETTINGS = """# what this folder's checkers go by: `ruff check`, `ruff format`, `mypy .`
[tool.ruff]
line-length = 120

[tool.mypy]
strict = true
"""


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the folder and the module: a Python identifier.")],
    *,
    like: Annotated[str, typer.Option(metavar="MACHINE", help="The machine of the gallery to start from.")] = "refund",
) -> None:
    """Start a project from a machine of the gallery: a folder with its module, a test, and a service."""
    with complaints():
        source = _source(like)
        _check_name(name)
        folder = Path(name)
        files = _files(name, like, source)
        try:
            folder.mkdir()
            for path, text in files.items():
                (folder / path).write_bytes(text)
        except FileExistsError:
            raise CommandError(f"{name!r} is there already: give another name, or work in another folder") from None
        except OSError as error:
            raise CommandError(f"cannot write {name!r}: {error.strerror}. Work in a folder of yours") from error
    console().print(_told(name, tuple(files), files[f"{name}.py"].decode()), markup=False, highlight=False)


def _gallery() -> Path:
    """Return the folder of the gallery: what the wheel holds, or else that of the clone."""
    packed = _PACKAGE / "gallery"
    return packed if packed.is_dir() else _PACKAGE.parent / "machines"


def choices() -> tuple[str, ...]:
    """Return the names of the gallery's machines, in alphabetical order."""
    return tuple(sorted(path.stem for path in _gallery().glob("*.py") if "(Machine[" in path.read_text("utf-8")))


def _source(like: str) -> str:
    """Return the module of a machine of the gallery.

    Raises CommandError: if there is none of that name.
    """
    if like not in choices():
        raise CommandError(f"--like {like!r} is no machine of the gallery. Choose one of: {', '.join(choices())}")
    return (_gallery() / f"{like}.py").read_text("utf-8")


def _check_name(name: str) -> None:
    """Check that a module may bear a name.

    Raises CommandError: if it may not.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", name) or keyword.iskeyword(name):
        raise CommandError(
            f"NAME {name!r} is no identifier: give one of Python, of 60 letters at most, such as 'my_desk'"
        )
    if name in _RESERVED or name in sys.stdlib_module_names:
        raise CommandError(f"NAME {name!r} is a module already, which yours would hide: give another")
    if Path(name).exists():
        raise CommandError(f"{name!r} is there already: give another name, or work in another folder")
    if importlib.util.find_spec(name) is not None:
        raise CommandError(f"NAME {name!r} is a module already, which yours would hide: give another")


def _files(name: str, like: str, source: str) -> dict[str, bytes]:
    """Return the files of a project by their names.

    Raises CommandError: if the machine has another module of that name.
    """
    tree = ast.parse(source)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    old, context = _machine(classes)
    taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {*classes} - {old}
    taken |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    machine = _class_name(name, taken - {old})
    has_deps = any(isinstance(node, ast.FunctionDef) and node.name == "deps" for node in tree.body)
    is_opened = has_deps and "@contextmanager\ndef deps(" in source
    beside = re.findall(r"^from machines\.(\w+) import", source, re.M)
    if name in beside:
        raise CommandError(f"NAME {name!r} is a module that {like!r} has beside it: give another")
    data = [path for module in (like, *beside) for path in _gallery().glob(f"{module}_*") if path.is_file()]
    own = re.sub(rf"\b{old}\b", machine, source)
    for module in beside:
        block = "\n" if module == beside[0] else ""  # they are the project's own, in a block of their own
        own = own.replace(f"from machines.{module}", f"{block}from {module}")
    (field,) = (
        node.target.id
        for node in classes[context].body
        if isinstance(node, ast.AnnAssign) and node.value is None and isinstance(node.target, ast.Name)
    )
    deps_argument = ", deps=opened" if is_opened else ", deps=deps()" if has_deps else ""
    call = _RUN.format(context=context, field=field, deps=deps_argument).rstrip("\n")
    run = f"    with deps() as opened:\n    {call}" if is_opened else call
    names = sorted({machine, context}) + (["deps"] if has_deps else [])
    test = _TEST.format(name=name, machine=machine, names=", ".join(names), run=run)
    service = _SERVICE.format(
        name=name,
        machine=machine,
        names=", ".join([machine, *(["deps"] if has_deps else [])]),
        # what is opened is opened for each run; a plain object, such as a till, is the world that all runs share
        world="" if is_opened or not has_deps else "\nworld = deps()  # of all runs\n",
        deps=", deps=lambda run: deps()" if is_opened else ", deps=lambda run: world" if has_deps else "",
    )
    texts = {f"{name}.py": own, f"test_{name}.py": test, "service.py": service, "pyproject.toml": _SETTINGS}
    texts |= {f"{module}.py": (_gallery() / f"{module}.py").read_text("utf-8") for module in beside}
    texts |= {path.name: path.read_text("utf-8") for path in data if path.suffix == ".py"}
    for path in tuple(texts):  # each names the others as they lie here
        texts = {to: text.replace(f"machines/{path}", path) for to, text in texts.items()}
    # which rules are broken on purpose is said for the linter of this repository, and not for the project's own
    texts = {path: re.sub(r"  # noqa: [^\n]*", "", _alone(text, name, like, beside)) for path, text in texts.items()}
    kept = {re.sub(rf"^{like}(?=_)", name, path.name): path.read_bytes() for path in data if path.suffix != ".py"}
    return kept | {path: text.encode() for path, text in texts.items()}


def _alone(text: str, name: str, like: str, beside: Sequence[str]) -> str:
    """Return a text without the gallery's paths: it goes by the project's own, and by what brings other machines."""
    text = re.sub(rf"\bmachines[./]{like}\b(?:\.py)?", name, text)
    text = re.sub(rf"\b{like}(?=_\w+\.json\b)", name, text)  # its data, which goes by the project's name too
    for module in beside:
        text = text.replace(f"machines.{module}", module).replace(f"machines/{module}.py", f"{module}.py")
    return re.sub(rf"`machines/({'|'.join(choices())})\.py`", r"`fsm-orch new --like \1`", text)


def _machine(classes: dict[str, ast.ClassDef]) -> tuple[str, str]:
    """Return the names of a module's last machine, and of its context."""
    found = context = ""
    for name, node in classes.items():
        for base in node.bases:
            if isinstance(base, ast.Subscript) and ast.unparse(base.value) == "Machine":
                found, context = name, ast.unparse(base.slice).strip("()").split(",")[0]
    return found, context


def _class_name(name: str, taken: set[str]) -> str:
    """Return the name of the project's machine: that of the project, and more where something else has it."""
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    return f"{camel}Machine" if camel in taken else camel


def _told(name: str, files: tuple[str, ...], source: str) -> str:
    """Return what was written, and what to do next."""
    shown = re.search(rf"^ +(fsm-orch (?:run|chat) {name}\b.*)$", source, re.M)
    _, context = _machine({node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)})
    return f"""{name}/ has {", ".join(files)}

  cd {name}
  fsm-orch check {name}
  {shown[1] if shown else f'fsm-orch run {name} "..."'}
  pytest                        needs the extra `test`
  uvicorn service:app           needs the extra `service`

To make it yours, change {name}.py, and {context} in test_{name}.py too. After each step `fsm-orch check {name}`
says what does not fit any more; `mypy .` finds names that are left over."""
