"""Definitions as diagrams."""

import re
import shutil
import subprocess
import types
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_orch import Context, Final, Limits, LLMAgent, Machine, State, guard, never
from fsm_orch.export.as_test import pytest_source
from fsm_orch.export.diagram import diagram
from fsm_orch.export.dot import dot
from fsm_orch.export.drawing import drawn as path_drawn
from fsm_orch.export.mermaid import mermaid
from fsm_orch.export.svg import svg
from fsm_orch.proof import prove

DOT = shutil.which("dot")
needs_dot = pytest.mark.skipif(DOT is None, reason="Graphviz is not installed")

HOSTILE = [
    '"] --> evil["x',
    "</div><script>alert(1)</script>",
    "`**bold**` _em_ *x*",
    "a\nb\r\n- c",
    "end",
    "%%{init: {}}%%",
    "#quot; &amp; \\",
    '\\"',
    'x" ] ; } digraph {',
    "\x00\x1b[31m\ud800\u2028",
    "www.x.yz https://x.yz",
    "$$x^2$$",
    "😀 שלום",
]


class Ticket(Context):
    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


def act(visit):
    return None


class Support(Machine[Ticket]):
    """Answer, or land."""

    triage = State(LLMAgent("x", calls=1), initial=True)
    refund = State(act, max_visits=2, timeout_s=5)
    answered = Final()
    human = Final(fallback=True, sets={Ticket.answer: "Later."})

    to_refund = triage.to(refund, "the customer wants money back", guard=is_verified & ~is_verified)
    back = refund.to(triage, guard=is_verified)
    done = (triage | refund).to(answered, "it is answered")
    failed = refund.on_failure(triage)
    late = refund.on_timeout(human)
    limits = Limits(hops=6, cost_usd="0.05")


def described(text):
    """Make a machine with a description, and names that are keywords of the languages."""

    def fill(body):
        end = State(LLMAgent("x"), initial=True, max_visits=1)
        graph, default = Final(), Final(fallback=True)
        body.update(end=end, graph=graph, default=default, style=end.to(graph, text), node=end.to(end, "again"))

    return types.new_class("subgraph", (Machine[Ticket],), exec_body=fill).definition


def drawn_by_graphviz(text, language="plain"):
    command = [DOT, f"-T{language}"]
    return subprocess.run(command, input=text.encode(), capture_output=True, timeout=60, check=True).stdout.decode()


def test_a_diagram_shows_limits_guards_and_the_fallback():
    """Nodes carry caps and limits, edges their guard and description, the fallback its mark."""
    shown = diagram(Support.definition)

    assert shown.title == ("Support", "6 hops, 10,000 tokens, $0.05, 60 s")
    assert [(node.kind, node.lines) for node in shown.nodes] == [
        ("state", ("triage", "LLMAgent", "1 call of 2,048 + 256 tokens")),
        ("state", ("refund", "act", "at most 2 visits", "5 s a visit")),
        ("final", ("answered",)),
        ("fallback", ("human", "fallback", "sets answer")),
    ]
    assert shown.arrows[0].lines == ("to_refund", "[(is_verified & ~is_verified)]", "the customer wants money back")


def test_every_state_has_a_landing_edge():
    """Landing is drawn from every state to the fallback, though nobody declares it."""
    shown = diagram(Support.definition)

    landings = [(arrow.source, arrow.target) for arrow in shown.arrows if arrow.kind == "landing"]
    assert landings == [("n0", "n3"), ("n1", "n3")]


def test_failure_edges_say_on_what():
    """A failure edge is of its own kind, and says which failure it is for."""
    shown = diagram(Support.definition)

    assert [arrow.lines for arrow in shown.arrows if arrow.kind == "failure"] == [
        ("failed", "on failure"),
        ("late", "on timeout"),
    ]


def test_a_long_description_is_cut():
    """A description is for a model and may be long; the diagram shows its beginning."""
    (line,) = (arrow.lines[1] for arrow in diagram(described("word " * 50)).arrows[:1])

    assert len(line) <= 48
    assert line.endswith(" …")


def test_mermaid_styles_edges_by_number():
    """Landing edges are dotted, and failure edges coloured by their place in the text."""
    text = mermaid(Support.definition)

    edges = re.findall(r"^ +(?:start|n\d+) (-->|-\.->)", text, re.MULTILINE)
    (failure, landing) = re.findall(r"linkStyle ([\d,]+)", text)
    assert edges == ["-->"] * 7 + ["-.->"] * 2
    assert (failure, landing) == ("5,6", "7,8")
    assert 'n3(["human<br/>fallback<br/>sets answer"]):::fallback' in text


@pytest.mark.parametrize("text", HOSTILE)
def test_mermaid_survives_any_description(text):
    """Whatever a description holds, it stays within its label, as words and entities."""
    lines = mermaid(described(text)).splitlines()

    label = r'"(?:[\w .,+()$-]|#\d+;|<br/>)*"'
    arrow = rf"    (?:start|n\d) (?:-->|-\.->)(?:\|{label}\|)? n\d"
    node = rf"    n\d\(\[?{label}\]?\):::\w+"
    body = lines[lines.index('    start(("start"))') + 1 : lines.index("  end")]
    assert len(body) == 3 + 1 + 2 + 1
    assert all(re.fullmatch(f"{arrow}|{node}", line) for line in body)


@needs_dot
def test_graphviz_draws_every_edge():
    """The real `dot` reads it, with all nodes, edges and styles."""
    lines = [line.split() for line in drawn_by_graphviz(dot(Support.definition)).splitlines()]

    assert [line[1] for line in lines if line[0] == "node"] == ["start", "n0", "n1", "n2", "n3"]
    assert sum(line[0] == "edge" and line[-2] == "dotted" for line in lines) == 2
    assert sum(line[0] == "edge" and line[-1] == "#b3261e" for line in lines) == 2
    assert sum(line[0] == "edge" for line in lines) == 1 + 4 + 2 + 2


@needs_dot
@pytest.mark.parametrize("text", HOSTILE)
def test_graphviz_shows_a_description_as_it_is(text):
    """No character of a description is read as an escape or an entity."""
    definition = described(text)

    drawn = ElementTree.fromstring(drawn_by_graphviz(dot(definition), "svg"))
    shown = [" ".join((element.text or "").split()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert " ".join(diagram(definition).arrows[0].lines[1].split()) in shown


@needs_dot
@settings(max_examples=20, deadline=None)
@given(st.sampled_from(HOSTILE) | st.text(min_size=1).filter(str.strip))
def test_graphviz_survives_any_description(text):
    """Whatever a description holds, the real `dot` sees three nodes, a start and four edges."""
    lines = [line.split()[0] for line in drawn_by_graphviz(dot(described(text))).splitlines()]

    assert (lines.count("node"), lines.count("edge")) == (4, 4)


def shown_by_svg(definition):
    """Return every line of text in a picture, with runs of spaces as one."""
    root = ElementTree.fromstring(svg(definition))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [" ".join((element.text or "").split()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_a_picture_shows_all_that_the_diagram_says():
    """The SVG bears the limits, every state with its caps, guards, failure edges, the fallback and its mark."""
    drawn, shown = diagram(Support.definition), shown_by_svg(Support.definition)

    lines = [*drawn.title, *(line for part in (*drawn.nodes, *drawn.arrows) for line in part.lines)]
    assert sorted(shown) == sorted(lines)


def test_a_picture_draws_every_edge_in_its_style():
    """Landing edges are dotted and failure edges red in the SVG too."""
    root = ElementTree.fromstring(svg(Support.definition))

    drawn = {kind: root.findall(f".//{{*}}g[@class='{kind}']/{{*}}path") for kind in ("handoff", "failure", "landing")}
    assert [4, 2, 2] == [len(paths) for paths in drawn.values()]
    assert [0, 0, 2] == [sum("stroke-dasharray" in path.attrib for path in paths) for paths in drawn.values()]
    assert [1, 1, 1] == [len({path.attrib["stroke"] for path in paths}) for paths in drawn.values()]
    assert 3 == len({path.attrib["stroke"] for paths in drawn.values() for path in paths})


def test_a_picture_leads_each_edge_from_its_source_to_its_target():
    """An arrow begins at the box of its source, and its head ends at the box of its target."""
    root, drawn = ElementTree.fromstring(svg(Support.definition)), diagram(Support.definition)
    boxes = [
        box for kind in ("state", "final", "fallback") for box in root.findall(f".//{{*}}g[@class='{kind}']/{{*}}rect")
    ]
    places = dict(zip((node.id for node in drawn.nodes), boxes, strict=True))

    def distance(x, y, box):
        left, top, width, height = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        return max(left - x, x - left - width, top - y, y - top - height)

    for kind in ("handoff", "failure", "landing"):
        arrows = [arrow for arrow in drawn.arrows if arrow.kind == kind]
        groups = root.findall(f".//{{*}}g[@class='{kind}']")
        for arrow, group in zip(arrows, groups, strict=True):
            begin = re.match(r"M(\S+) (\S+)C", group.find("{*}path").attrib["d"]).groups()
            tip = group.find("{*}polygon").attrib["points"].split()[0].split(",")
            assert abs(distance(*map(float, begin), places[arrow.source])) < 3
            assert abs(distance(*map(float, tip), places[arrow.target])) < 3


def test_a_picture_loads_nothing_and_runs_nothing():
    """A picture may stand inside a page of somebody else: it has no script, no style sheet, no link and no id."""
    root = ElementTree.fromstring(svg(described("</text><script>alert(1)</script>")))

    assert {"svg", "title", "g", "circle", "path", "polygon", "rect", "text"} >= {
        tag.tag.partition("}")[2] for tag in root.iter()
    }
    assert set() == {"id", "style", "href"} & {name for tag in root.iter() for name in tag.attrib}


def test_a_picture_depends_on_no_font():
    """Texts of as many characters are given the same room, however wide a font of this machine would draw them."""
    narrow, wide = (svg(described(letter * 20)) for letter in "iM")

    assert narrow == wide.replace("M" * 20, "i" * 20)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_picture_shows_a_description_as_it_is(text):
    """No character of a description is read as an escape, an entity or a tag."""
    definition = described(text)

    assert " ".join(diagram(definition).arrows[0].lines[1].split()) in shown_by_svg(definition)


class Doors(Machine[Ticket]):
    """Two ways in."""

    front, side = State(act, initial=True), State(act, entry=True)
    done, human = Final(), Final(fallback=True)
    on, end = front.to(side), side.to(done)
    policies = (never(side).before(front),)


def test_every_start_is_drawn() -> None:
    """An arrow leads from the start to each state that runs may start in, in every language."""
    drawn = diagram(Doors.definition)

    assert ("n0", "n1") == drawn.starts
    text = mermaid(Doors.definition)
    assert {"    start --> n0", "    start --> n1", "  linkStyle 4,5 stroke:#c77700"} <= set(text.splitlines())
    assert {"  start -> n0", "  start -> n1"} <= set(dot(Doors.definition).splitlines())


def test_a_counterexample_from_an_entry_starts_there() -> None:
    """Its test says where the run starts, and fails on the machine; its drawing marks that arrow."""
    (judged,) = prove(Doors).exploration.policies
    assert judged.trace is not None

    source = pytest_source(Doors.definition, Doors.policies[0], judged.trace, module="doors")

    assert "start=Doors.side," in source
    assert "linkStyle 1 stroke-width" in path_drawn(Doors.definition, judged.trace)


def test_every_start_is_in_the_picture() -> None:
    """The SVG has a curve from the start to each of them, beside those of handoffs and landings."""
    root = ElementTree.fromstring(svg(Doors.definition))

    assert 2 + 2 + 2 == len(root.findall(".//{*}path"))
