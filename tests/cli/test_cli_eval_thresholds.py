"""`fsm-orch eval` where examples route: what each threshold would do, machines beside each other, and the picture."""

import pytest
from support.measured import SPECIALISTS, figures, words

from fsm_orch.cli import app

FRONT = (
    SPECIALISTS
    + """
    class Letters:
        name = "letters"
        def embed(self, texts):
            return [[float(text.count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]

    class Words(Machine[Ticket]):
        '''Two specialists behind a triage by words.'''

        billing, search = specialist("bills"), specialist("products")
        answered, human = Final(), Final(fallback=True)
        triage = State(KeywordAgent(Ticket.query, {billing: "bill", search: "dress"}, otherwise=human), initial=True)
        to_billing = triage.to(billing)
        to_search = triage.to(search)
        to_human = triage.to(human)
        done = (billing | search).to(answered, "it is answered")

    class Alike(Machine[Ticket]):
        '''Two specialists behind a triage by examples.'''

        billing, search = specialist("bills"), specialist("products")
        answered, human = Final(), Final(fallback=True)
        examples = {billing: ("my bill", "pay my bill"), search: "find a dress"}
        agent = ExamplesAgent(Ticket.query, examples, otherwise=human, threshold=0.8, embedder=Letters())
        triage = State(agent, initial=True)
        to_billing = triage.to(billing)
        to_search = triage.to(search)
        to_human = triage.to(human)
        done = (billing | search).to(answered, "it is answered")
"""
)

ROUTER = """answered, human = Final(), Final(fallback=True)
        router = State(KeywordAgent(Ticket.query, {search: "dress"}, otherwise=human))
        on, out, in_ = triage.to(router), router.to(human), router.to(search)"""

QUERIES = """\
specialist,text
billing,my bill
billing,my money
billing,find my invoice
search,find a dress
search,buy a dress
out_of_scope,hello
out_of_scope,bill gates
"""


@pytest.fixture
def both(write) -> str:
    return write(FRONT)


@pytest.fixture
def data(tmp_path) -> str:
    path = tmp_path / "queries.csv"
    path.write_text(QUERIES, encoding="utf-8")
    return str(path)


def test_each_threshold_is_counted(cli, both, data):
    """Each threshold is counted on the same queries, and the one in use does what was measured."""
    shown = figures(cli, f"{both}:Alike", "--data", data)
    said = words(cli.invoke(app, ["eval", f"{both}:Alike", "--data", data]).stdout)
    kinds, found = ("misroute", "false_fallback", "leak"), shown["tradeoff"]
    (own,) = (point for point in found["points"] if point["threshold"] == 0.8)
    errors = {point["threshold"]: sum(point[kind] for kind in kinds) for point in found["points"]}

    assert ("triage", 0.8, 101) == (found["state"], found["threshold"], len(found["points"]))
    assert [own[kind] for kind in kinds] == [shown[kind]["count"] for kind in kinds]
    assert 0 < errors[0.8] == shown["queries"] - shown["accuracy"]["count"]
    assert errors[found["best"]] == min(errors.values())
    assert f"threshold 0.8 of triage; on these queries {found['best']:g} makes the fewest errors, and is right" in said


def test_words_have_no_threshold(cli, both, data):
    """Where no examples route there is no curve, and none is made up."""
    result = cli.invoke(app, ["eval", f"{both}:Words", "--data", data])

    assert figures(cli, f"{both}:Words", "--data", data)["tradeoff"] is None
    assert "threshold" not in result.stdout


def test_a_threshold_whose_effect_no_run_shows_is_not_counted(cli, write, data):
    """What is near to nothing goes on to a router that was not asked: nobody knows where it would have sent it."""
    on = FRONT.replace("otherwise=human, threshold", "otherwise=router, threshold")
    head, alike = on.split("    class Alike")
    alike = alike.replace("answered, human = Final(), Final(fallback=True)", ROUTER.rpartition("\n")[0])
    alike = alike.replace("to_human = triage.to(human)", ROUTER.rpartition("\n")[2].strip())

    assert figures(cli, f"{write(f'{head}    class Alike{alike}')}:Alike", "--data", data)["tradeoff"] is None


def test_a_query_that_words_decide_has_no_threshold(cli, write, data):
    """What is routed before the examples are asked goes there with every threshold."""
    head, alike = FRONT.split("    class Alike")
    alike = alike.replace("triage = State(agent, initial=True)", "triage = State(agent)\n"
        "        first = State(KeywordAgent(Ticket.query, {search: 'bill'}, otherwise=triage), initial=True)\n"
        "        ahead, on = first.to(search), first.to(triage)")  # fmt: skip
    found = figures(cli, f"{write(f'{head}    class Alike{alike}')}:Alike", "--data", data)

    assert [{"misroute": 1, "leak": 1}] * 2 == [
        {kind: found["tradeoff"]["points"][place][kind] for kind in ("misroute", "leak")} for place in (-1, -2)
    ]


def test_a_picture_is_written(cli, both, data, tmp_path):
    """A picture names the machines, and is the same twice; a file that is no such picture is kept."""
    drawn, kept = tmp_path / "routing.svg", tmp_path / "kept.svg"
    kept.write_text("<svg>mine</svg>", encoding="utf-8")
    command = ["eval", f"{both}:Alike", "--data", data, "--beside", f"{both}:Words", "--plot"]
    first = cli.invoke(app, [*command, str(drawn)])
    picture = drawn.read_text(encoding="utf-8")
    again = cli.invoke(app, [*command, str(drawn)])
    refused = cli.invoke(app, [*command, str(kept)])
    kept_text = kept.read_text(encoding="utf-8")
    forced = cli.invoke(app, [*command, str(kept), "--force"])

    assert [0, 0, 2, 0] == [result.exit_code for result in (first, again, refused, forced)]
    assert "is there, and is not a picture of how machines route" in refused.stderr
    assert "<svg>mine</svg>" == kept_text
    assert [picture] * 2 == [path.read_text(encoding="utf-8") for path in (drawn, kept)]
    assert [True] * 3 == [part in picture for part in ("Alike, 0.8", ">Words<", "7 queries of queries.csv, 2 of them")]


def test_machines_are_measured_beside_each_other(cli, both, data):
    """Several machines route the same queries; each is measured to do what it does alone."""
    shown = figures(cli, f"{both}:Alike", "--data", data, "--limit", "5", "--beside", f"{both}:Words")
    alone = figures(cli, f"{both}:Words", "--data", data, "--limit", "5")
    (other,) = shown.pop("beside")
    said = words(cli.invoke(app, ["eval", f"{both}:Alike", "--data", data, "--beside", f"{both}:Words"]).stdout)

    assert {**alone, "seconds": None} == {**other, "seconds": None}
    assert ("Alike", "Words") == (shown["machine"], other["machine"])
    assert "machine accuracy misroute false fallback leak decision Alike" in said


def test_a_model_is_named_only_if_it_was_asked(cli, both, data):
    """The heading names no model where none was asked, and neither does the JSON."""
    said = words(cli.invoke(app, ["eval", f"{both}:Words", "--data", data, "--model", "local:smollm2"]).stdout)

    assert "queries.csv, no model was asked" in said
    assert figures(cli, f"{both}:Words", "--data", data)["model"] is None
