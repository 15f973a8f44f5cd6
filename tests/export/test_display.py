"""How machines, proofs, certificates and results are shown in a notebook."""

import html
import subprocess
import sys
import types
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from IPython.core.interactiveshell import InteractiveShell

from fsm_orch import (
    Context,
    Final,
    HumanAgent,
    LLMAgent,
    Machine,
    MemoryStore,
    Nested,
    Runner,
    ScriptedModel,
    State,
    guard,
    never,
)
from fsm_orch.export import display
from fsm_orch.proof import prove

EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e&amp;"


class Ticket(Context):
    query: str
    verified: bool = False
    answer: str | None = None


@guard
def is_verified(ticket: Ticket) -> bool:
    return ticket.verified


def verify(visit):
    return {Ticket.verified: True}


def refund(visit):
    return {Ticket.answer: "Paid."}


class Desk(Machine[Ticket]):
    """Pay back, or hand over."""

    triage = State(LLMAgent("Decide."), initial=True)
    check = State(verify, writes=Ticket.verified)
    pay = State(refund, writes=Ticket.answer)
    answered = Final()
    human = Final(fallback=True)

    to_check = triage.to(check, "wants money back")
    hasty = triage.to(pay, "is very angry")
    approved = check.to(pay, guard=is_verified)
    done = pay.to(answered)
    policies = (never(pay).before(check),)


class Reader(HTMLParser):
    """A reader of HTML, which keeps its tags and its texts."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.texts.append(data)


def read(text):
    """Read HTML."""
    reader = Reader()
    reader.feed(text)
    return reader


def evil_machine():
    """Make a machine whose descriptions are hostile."""

    def fill(body):
        start = State(LLMAgent("x"), initial=True, max_visits=1)
        end, human = Final(), Final(fallback=True)
        body.update(start=start, end=end, human=human, go=start.to(end, EVIL), other=start.to(human, "else"))
        body["__doc__"] = EVIL

    return types.new_class("Evil", (Machine[Ticket],), exec_body=fill)


@pytest.fixture
def shell():
    """Return an IPython, of this process, in which the formatters are registered."""
    shell = InteractiveShell.instance()
    display.register()
    yield shell
    InteractiveShell.clear_instance()


def shown(shell, value):
    """Return what a notebook is given of a value, by its kind."""
    return shell.display_formatter.format(value)[0]


@pytest.fixture
def without_pictures(monkeypatch):
    """Leave out the extra that draws pictures."""
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    for module in ("fsm_orch.export.svg", "fsm_orch.export.layout"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def test_a_machine_is_a_picture(shell):
    """The class of a machine is shown as its diagram, and not as a table too."""
    bundle = shown(shell, Desk)

    assert {"text/plain", "image/svg+xml"} == bundle.keys()
    assert ElementTree.fromstring(bundle["image/svg+xml"]).tag.endswith("svg")


def test_a_machine_without_the_extra_is_a_table(shell, without_pictures):
    """Where nothing can draw a picture, the handoffs of a machine are listed with their guards."""
    bundle = shown(shell, Desk)

    assert {"text/plain", "text/html"} == bundle.keys()
    assert {"Desk", "triage", "to_check", "wants money back", "[is_verified]"} <= set(read(bundle["text/html"]).texts)


def test_other_classes_are_shown_as_before(shell):
    """A class that is no machine, the base of machines among them, is text alone."""
    for other in (int, Ticket, Machine):
        assert {"text/plain"} == shown(shell, other).keys()


def test_what_showed_other_classes_before_still_does(shell):
    """A formatter of classes that somebody else registered first goes on to be asked, and never about machines."""
    as_html = shell.display_formatter.formatters["text/html"]
    as_html.for_type(type, lambda one: f"<i>{one.__name__}</i>")
    display.register()

    assert "<i>int</i>" == shown(shell, int)["text/html"]
    assert "text/html" not in shown(shell, Desk)


def test_a_proof_shows_bounds_verdicts_and_the_counterexample(shell):
    """A proof shows what no run exceeds, each policy with its verdict, and the path that breaks one."""
    proof = prove(Desk)
    texts = read(shown(shell, proof)["text/html"]).texts

    assert f"at most {proof.bounds.tokens:,} tokens" in "".join(texts)
    assert {"violated", "hasty", str(Desk.policies[0])} <= set(texts)
    assert f"the smallest change: {proof.counterexamples[0].change}" in texts
    assert set(proof.certificate.assumptions) <= set(texts)
    assert repr(proof) == shown(shell, proof)["text/plain"]


def test_a_certificate_shows_each_bound(shell):
    """A certificate shows its bounds with their paths."""
    certificate = prove(Desk).certificate
    bundle = shown(shell, certificate)

    assert certificate.bounds["hops"].bound == 3
    assert "at most 3 hops, visiting triage -> check -> pay" in read(bundle["text/html"]).texts
    assert "<Certificate Desk: tokens 4,608, calls 2, hops 3>" == bundle["text/plain"]


def test_a_result_shows_path_usage_and_context(shell):
    """A run shows each hop, the fields of its context, and what it used."""
    result = Runner(Desk, model=ScriptedModel([{"handoff": "to_check"}])).run_sync(Ticket(query="money"))
    bundle = shown(shell, result)
    texts = read(bundle["text/html"]).texts

    assert {"Ended in answered", "to_check", "approved", "done", "query", "money", "Paid."} <= set(texts)
    assert any(text.startswith(f"{result.charged_tokens:,} tokens, 1 call, $0, in ") for text in texts)
    assert "<RunResult triage -to_check-> check -approved-> pay -done-> answered; " in bundle["text/plain"]


def test_a_landed_result_says_why(shell):
    """A run that was landed shows the reason, and the landing as its last hop."""
    result = Runner(Desk, model=ScriptedModel([{"handoff": "nowhere"}] * 9)).run_sync(Ticket(query="money"))
    texts = read(shown(shell, result)["text/html"]).texts

    assert f"Landed in human ({result.landing.reason})" in texts
    assert "landing" in texts
    assert f" {result.landing.detail}" in texts


def test_of_what_runs_inside_a_run_no_hop_is_in_its_path(shell):
    """Its hops are among the records, and the table is of the run itself."""

    class Front(Machine[Ticket]):
        inside = State(Nested(Desk, writes=Ticket.answer), initial=True)
        answered, human = Final(), Final(fallback=True)
        done, failed = inside.to(answered), inside.on_failure(human)

    result = Runner(Front, model=ScriptedModel([{"handoff": "to_check"}])).run_sync(Ticket(query="Money back"))
    texts = read(shown(shell, result)["text/html"]).texts

    assert ["inside", "done", "answered"] == texts[texts.index("1") + 1 :][:3]
    assert "2" not in texts


def test_long_values_are_cut(shell):
    """A long value of a context is shown in part, with its length."""
    result = Runner(Desk, model=ScriptedModel([])).run_sync(Ticket(query="x" * 5_000))
    bundle = shown(shell, result)

    assert "x" * 300 + " … (5,000 characters)" in read(bundle["text/html"]).texts
    assert not any("x" * 301 in text for text in bundle.values())


@pytest.mark.parametrize("drawn", [True, False])
def test_hostile_texts_stay_texts(shell, request, drawn):
    """Whatever stands in a description or a context, no tag, script or mark of direction comes of it."""
    if not drawn:
        request.getfixturevalue("without_pictures")
    machine = evil_machine()
    result = Runner(machine, model=ScriptedModel([{"handoff": "go"}])).run_sync(Ticket(query=EVIL))

    for value in (machine, prove(machine), prove(machine).certificate, result):
        bundle = shown(shell, value)
        assert not {"\x1b", "\u202e"} & set("".join(bundle.values()))
        for kind in bundle.keys() - {"text/plain"}:
            found = read(bundle[kind])
            assert not {"script", "img", "style", "a"} & found.tags
            assert {"class", "align"} >= found.attributes or kind == "image/svg+xml"
    assert any("<script>" in text for text in read(shown(shell, result)["text/html"]).texts)


@pytest.mark.parametrize(("first", "is_shown"), [("import IPython;", True), ("", False)])
def test_importing_registers_where_ipython_runs(first, is_shown):
    """`import fsm_orch` makes IPython show machines well, and loads no IPython where there is none."""
    program = f"""{first}
import sys
if {is_shown}:
    shell = IPython.core.interactiveshell.InteractiveShell.instance()
import fsm_orch
shown = {is_shown} and shell.display_formatter.formatters["image/svg+xml"].for_type(type)
print("IPython" in sys.modules, bool(shown))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert f"{is_shown} {is_shown}\n" == done.stdout


def test_nothing_is_registered_without_a_shell():
    """Where IPython is loaded and does not run, nothing happens."""
    InteractiveShell.clear_instance()
    display.register()

    assert not InteractiveShell.initialized()


async def test_a_run_that_waits_is_not_shown_as_one_that_ended():
    """A run that waits says where, and what it asks; both as text and as HTML."""

    class Asking(Machine[Ticket]):
        ask = State(HumanAgent("Pay\nit back?", reads=Ticket.query), initial=True)
        paid, kept = Final(), Final(fallback=True)
        yes, no = ask.to(paid, "pay"), ask.to(kept, "keep")

    runner = Runner(Asking, store=MemoryStore())
    waiting = await runner.run(Ticket(query="money"), run_id="r")
    ended = await runner.resume("r", Asking.yes)

    said = r"Waits in ask: 'Pay\nit back?'"
    assert str(waiting).splitlines()[0] == said
    assert said in html.unescape(display.result_html(waiting))
    assert str(ended).splitlines()[0] == "Ended in paid"
