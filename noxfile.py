"""The second lane of checks: other versions of Python and of what is depended on than `.ci/run` tries.

    uvx nox                      all sessions; or: pipx run nox
    uvx nox -s lowest-3.11       one of them
    uvx nox -s tests -- -n 2     words after `--` go to pytest
    uvx nox -s long              what takes minutes, such as runs that are killed at every pair of points
    uvx nox -s bridges           agents and tools of other frameworks, with those frameworks
    uvx nox -s adopt             read graphs of other frameworks, each in an environment of its own
    uvx nox -s "adopt(burr)"     one of those
    uvx nox -s constraints       pin the newest versions in constraints.txt

A Python that is not installed is skipped with a word. Nothing here is part of `.ci/run`: that must say the same
tomorrow, and `newest` may not.
"""

import os
from pathlib import Path

import nox

PYTHONS = ["3.11", "3.12", "3.13"]
EVERYTHING = ".[local,dev]"
CONSTRAINTS = Path("constraints.txt")
HEADER = """\
# What `pip install -c constraints.txt -e '.[local,dev]'` installs, all of it pinned, on Python 3.11 to 3.13.
# Written by a command, never by hand; renew it by: uvx nox -s constraints
"""

FRAMEWORKS = {
    "agent-framework": ["agent-framework-core==1.23.0"],
    "autogen": ["autogen-agentchat==0.7.5"],
    "burr": ["apache-burr==0.43.0"],
    "crewai": ["crewai==1.15.30"],
    "langgraph": ["langgraph==1.2.24", "langchain==1.5.2", "langgraph-swarm==0.1.0", "openai-agents==0.24.0"],
    "openai-agents": ["openai-agents==0.24.0"],
    "pydantic-graph": ["pydantic-graph==2.68.0"],
    "pydantic-graph-0": ["pydantic-graph==0.3.6"],
}
"""What the readers of `fsm_orch/adopt` were tried with; keep in sync with the `Library` of each."""

OVERRIDES = {"crewai": "pydantic<2.13"}
"""What a framework wants that we do not declare, and that its reader does with."""

UNPINNED = {"websockets"}
"""What openai-agents wants older than constraints.txt pins it."""

SILENT = {"CREWAI_DISABLE_TELEMETRY": "true", "CREWAI_TRACING_ENABLED": "false", "OTEL_SDK_DISABLED": "true"}
"""Keeps frameworks from telling their makers; not set by a test, since all that run after it would have no spans."""

nox.options.sessions = ["tests", "lowest", "newest", "types"]
nox.options.error_on_missing_interpreters = False


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Test with what is pinned."""
    _install(session, "--constraints", str(CONSTRAINTS))
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """Test with the lowest versions that pyproject.toml declares, and the newest of what those need."""
    _install(session, "--resolution", "lowest-direct")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Test with the newest versions there are."""
    _install(session)
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS)
def types(session: nox.Session) -> None:
    """Check the types with what is pinned."""
    _install(session, "--constraints", str(CONSTRAINTS))
    session.run("mypy", "--python-version", str(session.python))
    session.run("pyright", "--pythonversion", str(session.python))


@nox.session
def long(session: nox.Session) -> None:
    """Test what no other lane has the time for, with what is pinned."""
    _install(session, "--constraints", str(CONSTRAINTS))
    session.run("pytest", "-m", "long", *session.posargs)


@nox.session
def bridges(session: nox.Session) -> None:
    """Test agents and tools of other frameworks with the frameworks themselves.

    They are not in `dev`: they are 22 more packages, of which one brings a plug-in into every run of pytest.
    """
    pins = Path(session.create_tmp(), "constraints.txt")
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines(keepends=True)
    pins.write_text("".join(line for line in lines if line.partition("==")[0] not in UNPINNED), encoding="utf-8")
    _install(
        session,
        "--constraints",
        str(pins),
        of=".[anthropic,langgraph,mcp,openai-agents,openai,pydantic-ai,test]",
    )
    session.install("mypy", "pytest-asyncio", "looptime")
    session.run("mypy", "fsm_orch/agents/bridges")
    files = [f"tests/agents/test_{name}.py" for name in ("bridges", "bridge_foes", "bridge_refusals", "lent_tools")]
    files += ["tests/models/test_langchain_recipe.py"]
    session.run("pytest", "-p", "no:langsmith_plugin", *files, *session.posargs)


@nox.session
@nox.parametrize("framework", [nox.param(name, id=name) for name in FRAMEWORKS])
def adopt(session: nox.Session, framework: str) -> None:
    """Read graphs of a framework where it is installed, and tell whether what was recorded of it still holds."""
    overrides = Path(session.create_tmp(), "overrides.txt")
    overrides.write_text(OVERRIDES.get(framework, ""), encoding="utf-8")
    session.install("uv")
    python = Path(session.virtualenv.location, "Scripts" if os.name == "nt" else "bin", "python")
    wanted = [*FRAMEWORKS[framework], "hypothesis", "pytest", "pytest-asyncio", "--override", str(overrides)]
    session.run_install("uv", "pip", "install", "--python", str(python), *wanted, "--editable", ".")
    if "record" in session.posargs:
        session.run("python", "tests/adopt/record.py", env=SILENT)
    read = ["tests/adopt/real", "tests/adopt/test_recorded_graphs.py"]
    session.run("pytest", *read, *[word for word in session.posargs if word != "record"], env=SILENT)


@nox.session
def constraints(session: nox.Session) -> None:
    """Pin the newest versions of everything that is installed, the same for all Pythons and platforms."""
    session.install("uv")
    options = ["--upgrade", "--universal", "--python-version", PYTHONS[0], "--fork-strategy", "fewest"]
    extras = ["--extra", "local", "--extra", "dev"]
    output = ["--no-header", "--no-annotate", "--quiet"]
    pins = session.run("uv", "pip", "compile", *options, *extras, *output, "pyproject.toml", silent=True)
    CONSTRAINTS.write_text(HEADER + str(pins), encoding="utf-8")


def _install(session: nox.Session, *options: str, of: str = EVERYTHING) -> None:
    """Install the package in place, with all that its tests need."""
    session.install("uv")
    python = Path(session.virtualenv.location, "Scripts" if os.name == "nt" else "bin", "python")
    session.run_install("uv", "pip", "install", "--python", str(python), *options, "--editable", of)
