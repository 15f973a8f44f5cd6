"""Runs under a certificate: it is checked before the first one, and read during each."""

import json
import subprocess
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.desk import BILLING, Support, Ticket

from fsm_orch import Certificate, Context, Final, Limits, LLMAgent, Machine, Runner, ScriptedModel, StartError, State
from fsm_orch.amounts import Price
from fsm_orch.proof.bounds.certify import certify

PRICE = Price(Fraction(1, 4), Fraction(2))
NAMES = dict.fromkeys(("triage", "billing"), "scripted:script")
BACK = {"handoff": "back", "invoice": None, "answer": None}
MADE_FOR = {"models": NAMES, "prices": dict.fromkeys(NAMES, PRICE)}


def runner(certificate, *script, name="scripted:script", price=PRICE, **options):
    return Runner(Support, model=ScriptedModel(script, name=name, price=price), certificate=certificate, **options)


async def test_a_run_is_told_the_certified_worst_case():
    """From its first record on, a run carries what the certificate says is still to come, and it never rises."""
    certified = runner(certify(Support.definition, **MADE_FOR), BILLING, BACK, BILLING, BACK, {"handoff": "resolved"})

    result = await certified.run(Ticket(query="hi"))

    ceilings = [r.stamp.settled + r.stamp.reserved + r.stamp.ahead for r in result.records]
    assert certified.certificate.bounds["tokens"].bound == ceilings[0] == 8_200
    assert sorted(ceilings, reverse=True) == ceilings
    assert ceilings[-1] == result.charged_tokens


async def test_without_a_certificate_the_worst_case_is_that_of_hops_alone():
    """A certificate says less than hops do, since it knows that visits run out."""
    plain = runner(None, {"handoff": "resolved"})

    result = await plain.run(Ticket(query="hi"))

    assert plain.certificate is None
    assert result.records[0].stamp.ahead > 8_200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limits": Limits(hops=5)}, "made for other limits"),
        ({"name": "scripted:other"}, "made for other models"),
        ({"price": Price(Fraction(1, 4), Fraction(3))}, "made for other prices"),
        ({"price": None}, "made for other prices"),
    ],
)
def test_what_does_not_fit_does_not_start(options, message):
    """A runner refuses a certificate for other limits, models or prices."""
    certificate = certify(Support.definition, **MADE_FOR)
    assert runner(certificate).certificate is certificate

    with pytest.raises(StartError, match=rf"^Support does not start on this certificate\. This .*{message}"):
        runner(certificate, **options)


def test_what_is_refuted_does_not_start():
    """A runner refuses a certificate that was altered, and one of another machine."""
    document = json.loads(certify(Support.definition, **MADE_FOR).dump())
    document["bounds"]["tokens"]["bound"] -= 1
    lower = Certificate.load(json.dumps(document))

    with pytest.raises(StartError, match=r"refuted: in tokens, bound is 8200, not 8199"):
        runner(lower)
    with pytest.raises(StartError, match="made for another machine"):
        runner(certify(Short.definition))


def test_the_text_of_a_certificate_is_to_be_read():
    """What was written to a file is no certificate yet, and the message says how it becomes one."""
    text = certify(Support.definition, **MADE_FOR).dump()

    with pytest.raises(TypeError, match=r"^certificate= takes a Certificate, not a str: read .* Certificate\.load\("):
        runner(text)


def test_a_certificate_of_another_definition_says_what_to_do():
    """It is made again; and since a digest has the names of functions, an import by another name is a reason too."""
    certificate = certify(Support.definition, **MADE_FOR).model_copy(update={"definition": "32b7"})

    with pytest.raises(StartError, match="made for another definition: '32b7'") as refused:
        runner(certificate)

    assert "fsm-orch check MODULE --certificate FILE" in str(refused.value)
    assert "a module imported by another name is another definition" in str(refused.value)


def test_a_certificate_is_checked_without_a_solver(tmp_path):
    """What was proved where SciPy is can be checked where it is not, and nothing asks for it."""
    path = tmp_path / "certificate.json"
    path.write_text(certify(Support.definition).dump(), encoding="utf-8")
    program = (
        "import sys, pathlib; sys.modules['scipy'] = sys.modules['numpy'] = None\n"
        f"sys.path[:] = {sys.path!r}\n"
        "from support.desk import Support\n"
        "from fsm_orch import Certificate\n"
        "from fsm_orch.proof.bounds.verifier import verify\n"
        f"verify(Certificate.load(pathlib.Path({str(path)!r}).read_text()), Support.definition)\n"
        "print('checked')\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "checked\n"


class Question(Context):
    """What the short machine is asked."""

    text: str


class Short(Machine[Question]):
    """Two visits and no more, dearer than its limit where that is tight."""

    first = State(LLMAgent("a", max_input_tokens=90, max_output_tokens=10, calls=2), initial=True)
    second = State(LLMAgent("b", max_input_tokens=190, max_output_tokens=10, calls=2))
    done, human = Final(), Final(fallback=True)
    on = first.to(second, "go on")
    end = (first | second).to(done, "enough")


@given(
    st.integers(0, 2_000),
    st.lists(st.sampled_from(["on", "end", "nonsense"]), min_size=4, max_size=4),
)
async def test_slack_is_never_landed_for_tokens(tokens, chosen):
    """With a slack certificate, no call and no handoff is refused for want of tokens, whatever is replied."""
    limits = Limits(tokens=max(100, tokens))
    certificate = certify(
        Short.definition, limits=limits, models=dict.fromkeys(("first", "second"), "scripted:script"), prices={}
    )
    model = ScriptedModel([{"handoff": name} for name in chosen], price=None)

    result = await Runner(Short, model=model, limits=limits, certificate=certificate).run(Question(text="?"))

    refused = [r for r in result.records if getattr(r, "reason", None) == "budget"]
    assert (certificate.verdict("tokens") == "slack") == (limits.tokens >= 600)
    assert certificate.verdict("tokens") == "guarded" or not refused
