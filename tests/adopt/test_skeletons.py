"""What is written of a graph builds, is proved, and ends in a declared state whatever a model says."""

import asyncio
import random
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.random_graphs import TEXTS, graphs

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.adopt.graph import Cap, Edge, Graph, Node
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.skeleton import skeleton
from fsm_orch.adopt.written import literal, name_for, quoted
from fsm_orch.define.machine import is_machine
from fsm_orch.proof import prove


def built(graph: Graph, caps: Caps) -> tuple[Any, types.ModuleType]:
    """Return the machine that is written of a graph, and its module."""
    module = types.ModuleType("written_machine")
    sys.modules[module.__name__] = module
    try:
        exec(compile(skeleton(graph, caps, "app:graph"), "<written>", "exec"), vars(module))
    finally:
        del sys.modules[module.__name__]
    (machine,) = (value for value in vars(module).values() if is_machine(value) and value.__module__ == module.__name__)
    return machine, module


def says_anything(chance: random.Random) -> Callable[[Any], Any]:
    """Return a model's line that proposes any handoff of its form, or one that it invents."""

    def line(request: Any) -> Any:
        asked = (request.schema or {}).get("properties", {})
        ways = asked.get("handoff", {}).get("enum", [])
        reply = {"handoff": chance.choice([*ways, "to_nowhere"])} if "handoff" in asked else {}
        return {**reply, **({"answer": "it is so"} if "answer" in asked else {})} or "it is so"

    return line


CAPS = st.builds(
    Caps,
    max_visits=st.integers(1, 3),
    hops=st.none() | st.integers(1, 9),
    model=st.sampled_from([None, "openai:gpt-4o"]),
)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(graphs(), CAPS, st.integers())
def test_a_written_machine_is_proved_and_its_runs_end(graph: Graph, caps: Caps, seed: int) -> None:
    """Whatever was read, the machine builds, nothing is wrong with it, and twenty runs end declared in bounds."""
    machine, module = built(graph, caps)
    proof = prove(machine, model="local:smollm2", max_configurations=500)
    chance = random.Random(seed)

    async def ends() -> list[Any]:
        runner = Runner(machine, model=ScriptedModel([says_anything(chance)] * 2_000), store=MemoryStore())
        return [await runner.run(module.Conversation(query="hello")) for _ in range(20)]

    results = asyncio.run(ends())

    assert [] == [str(found) for found in proof.findings if found.level == "error"]
    assert {"finished", "landed", "waiting"} >= {result.status for result in results}
    assert proof.bounds.tokens >= max(result.usage.input_tokens + result.usage.output_tokens for result in results)
    assert proof.bounds.hops >= max(len(result.path) - 1 for result in results)


def test_models_that_hand_to_each_other_for_ever_are_proved() -> None:
    """The way out that is added is one of two, so that both are told when to be taken."""
    nodes = {key: Node(key=key, kind="llm") for key in "ab"}
    edges = tuple(Edge(source=source, target=to, via="edge", chooses="always") for source, to in ("ab", "ba"))
    cap = Cap(name="limit", value=None, unit="steps", then="it never ends")
    endless = Graph(
        framework="f", name="endless", entry="a", nodes=nodes, edges=edges, cap=cap, lost=(), on_unknown="raises"
    )
    machine, _ = built(endless, Caps(model="openai:gpt-4o"))

    assert [] == [str(found) for found in prove(machine).findings if found.level == "error"]


@given(TEXTS)
def test_a_text_is_written_as_what_it_is(text: str) -> None:
    """A literal is the text again, in one line or several."""
    assert text == eval(f"({' '.join(literal(text))})")
    assert text == eval(quoted(text))


@given(st.lists(st.text(), max_size=8))
def test_names_are_names_and_told_apart(texts: list[str]) -> None:
    """Every text has a name of its own that Python and providers take."""
    names: list[str] = []
    for text in texts:
        names.append(name_for(text, names))

    assert len(names) == len(set(names))
    assert all(name.isidentifier() and name.isascii() and len(name) <= 24 for name in names)


@settings(max_examples=3, deadline=None, phases=[Phase.generate])
@given(st.lists(st.tuples(graphs(), CAPS), min_size=6, max_size=6))
def test_a_written_module_is_formatted(several: list[tuple[Graph, Caps]]) -> None:
    """What is written is what ruff would leave, and it finds nothing in it."""
    with TemporaryDirectory() as folder:
        for number, (graph, caps) in enumerate(several):
            Path(folder, f"written_{number}.py").write_text(skeleton(graph, caps, "app:graph"), "utf-8")
        for width in ("88", "120"):
            assert "" == _ruff("format", "--diff", "--quiet", "--line-length", width, folder)
        assert "" == _ruff("check", "--quiet", "--select", "E4,E7,E9,F,I,UP,B", folder)


def _ruff(command: str, *arguments: str) -> str:
    line = [sys.executable, "-m", "ruff", command, "--isolated", "--no-cache", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout


@pytest.mark.slow
def test_a_written_module_is_typed(tmp_path: Path) -> None:
    """Nothing is found by mypy, in strict mode, in what is written of several graphs."""
    chance = graphs()
    for number in range(6):
        (tmp_path / f"written_{number}.py").write_text(_example(chance, number), "utf-8")

    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Success: no issues found in 6 source files" in checked.stdout, checked.stdout


def _example(of: st.SearchStrategy[Graph], number: int) -> str:
    found: list[Graph] = []

    @settings(max_examples=10 + number, database=None, derandomize=True, deadline=None)
    @given(of)
    def collect(graph: Graph) -> None:
        found.append(graph)

    collect()
    return skeleton(max(found, key=lambda graph: len(graph.edges)), Caps(), "app:graph")
