"""The probe of a model: any model can be asked whether it keeps to its caps."""

import pytest

from fsm_orch.amounts import Usage
from fsm_orch.errors import CallFailed, ModelUnavailable
from fsm_orch.models import probe
from fsm_orch.models.base import FinishReason, Response
from fsm_orch.models.scripted import ScriptedModel

CUT = "One two three four five six seven eight nine ten"


def said(
    output: int = 16, *, finish: FinishReason = "length", input_tokens: int = 20, text: str = CUT, told: bool = True
) -> Response:
    """Write the reply of a model that was cut off at the probe's cap, or of another."""
    usage = Usage(requests=1, input_tokens=input_tokens, output_tokens=output) if told else None
    return Response(text=text, usage=usage, finish=finish)


async def test_a_model_that_keeps_to_its_caps() -> None:
    """A model that is cut off at its cap passes, for the price of one small request without a schema."""
    model = ScriptedModel([said()])
    await probe(model)
    (asked,) = model.requests

    assert (16, None) == (asked.max_output_tokens, asked.schema)


async def test_a_cap_without_a_word_for_it() -> None:
    """A model that stops at its cap and has no word for that passes too."""

    await probe(ScriptedModel([said(finish="other")]))


async def test_a_text_that_ended_by_itself() -> None:
    """A text that a model ended by itself is asked for again; once one is cut off the model passes."""
    model = ScriptedModel([said(3, finish="stop")] * 3 + [said()] * 9)
    await probe(model)

    assert 4 == len(model.requests)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ([said(told=False)], "does not report the tokens"),
        ([said(700)], "its cap was 16 output tokens, and it wrote 700. Try another profile"),
        ([said(17, finish="stop")], "it wrote 17"),
        ([said(text="one " * 600, finish="stop")], "it wrote a text of 2,400 characters"),
        ([said(input_tokens=900)], r"at most \d+ input tokens were counted, and it read 900"),
        ([said(3, finish="stop")] * 8, "did not say that a long text was cut off"),
        ([said(3, finish="other")] * 8, "did not say that a long text was cut off"),
        ([CallFailed("authentication", "HTTP 401")], "authentication: HTTP 401"),
    ],
)
async def test_a_model_that_does_not(script: list[Response | Exception], sentence: str) -> None:
    """A model that breaks a cap, or cannot be asked, is not used; the message says why."""
    with pytest.raises(ModelUnavailable, match=f"scripted:script cannot be used on a budget: .*{sentence}"):
        await probe(ScriptedModel(script))
