"""Random graphs of other frameworks: any names, cycles, traps, strays, nodes of each kind."""

from hypothesis import strategies as st

from fsm_orch.adopt.graph import END, Cap, Edge, Graph, Node

NAMES = st.one_of(
    st.sampled_from(["triage", "answered", "human", "limits", "class", "None", "to_answered", "1st", "Ärzte", "visit"]),
    st.text(min_size=1, max_size=12),
)
TEXTS = st.one_of(
    st.sampled_from(["", "it's", 'say "no"', "a\nb", "\\", '"""', "x" * 400, "two words " * 40]), st.text()
)


@st.composite
def graphs(draw: st.DrawFn, *, most: int = 4) -> Graph:
    """Return a graph of up to so many nodes; its entry is the first."""
    keys = draw(st.lists(NAMES.filter(lambda name: name != END), min_size=1, max_size=most, unique=True))
    nodes = {key: draw(_nodes(key)) for key in keys}
    targets = st.sampled_from([*keys, END, END, "nowhere"])
    edges = draw(st.lists(st.builds(_edge, st.sampled_from(keys), targets, TEXTS, TRUSTS, CHOOSERS), max_size=3 * most))
    return Graph(
        framework="a framework",
        name=draw(NAMES),
        entry=keys[0],
        nodes=nodes,
        edges=tuple(edges),
        cap=Cap(name="most", value=draw(st.none() | st.integers(1, 30)), unit="steps", then="it raises"),
        joins={},
        forks=frozenset(),
        sends=frozenset(),
        lost=tuple(draw(st.lists(TEXTS, max_size=2))),
        unused=(),
        on_unknown="raises",
    )


TRUSTS = st.sampled_from(["declared", "read", "assumed"])
CHOOSERS = st.sampled_from(["model", "code", "always"])


def _edge(source: str, target: str, text: str, trust: str, chooses: str) -> Edge:
    return Edge(
        source=source,
        target=target,
        via=text[:9] or "edge",
        chooses=chooses,  # type: ignore[arg-type]
        trust=trust,  # type: ignore[arg-type]
        description=text,
        condition=text[:20] or None,
    )


@st.composite
def _nodes(draw: st.DrawFn, key: str) -> Node:
    kind = draw(st.sampled_from(["llm", "llm", "code", "human"]))
    return Node(
        key=key,
        kind=kind,
        instructions=draw(st.none() | TEXTS),
        does=draw(TEXTS),
        model=draw(st.sampled_from([None, "openai:gpt-4o", "anthropic:claude-haiku-4-5", "google:gemini-2.5-flash"])),
        calls=draw(st.sampled_from([None, 1, 3])) if kind == "llm" else 0,
        max_output_tokens=draw(st.sampled_from([None, 64])),
        tools=tuple(draw(st.lists(TEXTS, max_size=2))),
        blind=kind == "code",
    )
