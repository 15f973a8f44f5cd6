"""Texts of others in a written module: they stay texts, and nothing of them becomes code."""

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch.adopt.graph import END, Cap, Edge, Graph, Node
from fsm_orch.adopt.plan import Caps
from fsm_orch.adopt.skeleton import skeleton

HOSTILE = [
    'a"""b',
    "'''",
    "line\nimport os",
    "\r\nimport os",
    "\x0cimport os\x0b",
    "\u2028import os\u2029\x85import os",
    "\\",
    "\\N{BULLET} {braces} %s",
    "__class__",
    "class",
    "None",
    "\x00\x1b[31m",
    "\u202eevil",
    "名前 🙂 é",
    "# TODO\n    import os",
    '"); import os; ("',
    "x" * 10_000,
    '"' * 5_000 + "\\" * 5_000,
]
TEXTS = st.sampled_from(HOSTILE) | st.text(max_size=200)
NODE_TYPES = (ast.Import, ast.ImportFrom)


def graph_of(text: str, *, kind: Any = "llm") -> Graph:
    """Return a graph with the same text everywhere that text can stand."""
    key = text or "empty"
    node = Node(key=key, kind=kind, instructions=text, does=text, model=text, calls=None, tools=(text,), source=text)
    other = Node(key="other", kind="code", calls=0, does=text, blind=True)
    edges = (
        Edge(source=key, target="other", via=text, chooses="model", description=text, condition=text, trust="assumed"),
        Edge(source=key, target=END, via=text, chooses="model", description=text),
        Edge(source="other", target=END, via=text, chooses="code", trust="read"),
    )
    return Graph(
        framework="a framework",
        name=text or "empty",
        entry=key,
        nodes={key: node, "other": other},
        edges=edges,
        cap=Cap(name="most", value=9, unit="steps", then="it raises"),
        joins={},
        forks=frozenset(),
        sends=frozenset(),
        lost=(f"{text}: lost",),
        unused=(text,),
        on_unknown="raises",
    )


def shape(source: str) -> list[str]:
    """Return what a module does, without its texts and names."""
    return [type(part).__name__ for part in ast.walk(ast.parse(source)) if isinstance(part, ast.stmt | ast.Call)]


@pytest.mark.parametrize("kind", ["llm", "code", "human"])
@given(text=TEXTS)
@settings(max_examples=40, deadline=None)
def test_nothing_of_a_text_becomes_code(kind: str, text: str) -> None:
    """The statements and calls of a module are those of one with a plain text, whatever the text is."""
    plain = skeleton(graph_of("plain", kind=kind), Caps(), "app:graph")
    source = skeleton(graph_of(text, kind=kind), Caps(), "app:graph")

    assert shape(plain) == shape(source)


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_a_text_comes_back_as_it_was(text: str) -> None:
    """What a model is told there is what it is told here."""
    source = skeleton(graph_of(text), Caps(), "app:graph")
    texts = {part.value for part in ast.walk(ast.parse(source)) if isinstance(part, ast.Constant)}

    assert not text.strip() or {text, text.strip()} <= texts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_written_as_itself(text: str) -> None:
    """Quotes, ends of lines of all kinds, and 10,000 letters."""
    test_a_text_comes_back_as_it_was.hypothesis.inner_test(text)  # type: ignore[attr-defined]
    for kind in ("llm", "code", "human"):
        plain = skeleton(graph_of("plain", kind=kind), Caps(), "app:graph")
        assert shape(plain) == shape(skeleton(graph_of(text, kind=kind), Caps(), "app:graph"))
