"""A fallback over real sockets: one server is down, in each of the ways that servers are, and the other answers."""

from __future__ import annotations

import pytest
from support.provider import KEY, Provider
from support.provider_faults import FAULTS
from support.settled import Question, machine_with

from fsm_orch import Fallback, Limits, ModelSettings, Price, Runner
from fsm_orch.kernel import records
from fsm_orch.models import Model
from fsm_orch.testing import TheoremChecker

pytest.importorskip("openai", reason="OpenAI's models need the extra `openai`")
pytest.importorskip("anthropic", reason="Anthropic's models need the extra `anthropic`")

from fsm_orch.models.anthropic import MessagesModel
from fsm_orch.models.openai import ResponsesModel

CHEAP, DEAR = Price("0.25", "2"), Price("1", "5")
DOWN = ("connection refused", "500", "503", "529", "429 after seconds", "cut before", "cut within", "silence")
LIMITS = Limits(tokens=20_000, cost_usd="0.05")


def openai(url: str) -> Model:
    return ResponsesModel("gpt-5-mini", api_key=KEY, base_url=f"{url}/v1", price=CHEAP)


def anthropic(url: str) -> Model:
    return MessagesModel("claude-haiku-4-5", api_key=KEY, base_url=url, price=DEAR)


@pytest.mark.parametrize("way", ["there", "back"])
@pytest.mark.parametrize("down", DOWN)
async def test_one_is_down(down: str, way: str) -> None:
    """The run ends well on the other, which is asked once; so does the next, and asks nobody who is down."""
    builds = [openai, anthropic] if way == "there" else [anthropic, openai]
    made = machine_with(ModelSettings(timeout_s=0.5))
    with Provider(FAULTS[down]) as broken, Provider() as well:
        fallback = Fallback(*(build(server.url) for build, server in zip(builds, (broken, well), strict=True)))
        runner = Runner(made, model=fallback, limits=LIMITS)
        first, second = [await runner.run(Question(query="?")) for _ in range(2)]
        attempts = len(broken.completions)

    names = fallback.name.split(",")
    for result, expected in ((first, names), (second, names[1:])):
        assert result.landing is None, result
        assert expected == [r.model for r in result.records if isinstance(r, records.CallReserved)]
        TheoremChecker(runner.compiled).follow_all(result.journal)
    assert (0 if down == "connection refused" else 1, 2) == (attempts, len(well.completions))
    (told,) = [record for record in second.records if isinstance(record, records.CallSettled)]
    price = {"openai": CHEAP, "anthropic": DEAR}[names[1].partition(":")[0]]
    assert told.usage is not None
    assert price.amount(told.usage.input_tokens, told.usage.output_tokens).cost == told.cost
