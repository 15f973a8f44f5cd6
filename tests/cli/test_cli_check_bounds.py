"""`fsm-orch check`: the bill, with a model whose price is known or not."""

import json
import re

import pytest
from support.checked import words

from fsm_orch.amounts import dearest
from fsm_orch.cli import app
from fsm_orch.models.prices import price_by_name


def test_a_machine_without_calls_spends_nothing(cli, desk):
    """There is no table of tokens to read then; its findings are warnings, which do not fail."""
    result = cli.invoke(app, ["check", desk])

    assert "tokens none: no agent calls a model" in words(result)
    assert "FSM202 warning" in result.stdout
    assert result.exit_code == 0
    assert cli.invoke(app, ["check", desk, "--strict"]).exit_code == 1


def test_what_counts_where_a_human_is_asked_is_said(cli):
    """The table shows no seconds of a human, and the bound counts some: both are told, so that the sum adds up."""
    said = words(cli.invoke(app, ["check", "machines.expense"]))

    assert "to take a human's answer counts as a visit of 10 s; to wait for it does not count" in said
    assert "a human's answer" not in words(cli.invoke(app, ["check", "machines.shop"]))


def test_a_priced_model_bounds_the_cost(cli, ask):
    """A model whose price is known bounds it in dollars, without a key."""
    said = words(cli.invoke(app, ["check", ask, "--model", "openai:gpt-5-mini"]))

    assert re.search(r"cost at most \$0\.00\d+, visiting ask not limited", said)


def test_a_model_of_unknown_price_is_named(cli, ask):
    """It is not as if none had been named."""
    said = words(cli.invoke(app, ["check", ask, "--model", "compatible:mine"]))

    assert "cost not limited; the price of 'compatible:mine' is not known: to bound it, name a model whose" in said


def test_a_cost_limit_that_cannot_be_kept_is_not_said_to_be(cli, write, ask_source):
    """Until a model is named cost is not bounded; with one of unknown price no run would start, which is an error."""
    module = write(ask_source + "        limits = Limits(cost_usd='0.01')\n")
    unnamed = cli.invoke(app, ["check", module])
    unknown = cli.invoke(app, ["check", module, "--model", "compatible:mine"])

    assert "cost limited to $0.01, and not bounded; to bound it, name a model whose price is known" in words(unnamed)
    assert (unnamed.exit_code, unknown.exit_code) == (0, 1)
    assert "FSM306: the price of 'compatible:mine', the model of 'ask', is not known" in unknown.stdout
    assert "cost limited to $0.01, and not bounded; the price of 'compatible:mine' is not known" in words(unknown)


def test_a_name_that_can_be_no_models_is_refused(cli, ask, tmp_path):
    """Nothing is proved for a model that no runner would find."""
    for name in ("bogus:foo", "openai", "openai:"):
        refused = cli.invoke(app, ["check", ask, "--model", name, "--certificate", "ask.json"])

        assert (refused.exit_code, refused.stdout) == (2, "")
        assert f"fsm-orch: No model {name!r}. Name one as provider:model; providers: local:..., " in refused.stderr
    assert not (tmp_path / "ask.json").exists()


def test_limits_that_no_run_can_start_in_are_said(cli, write, ask_source):
    """Money needs a price, so it is known here for the first time."""
    module = write(ask_source + "        limits = Limits(cost_usd='0.000001')\n")

    assert cli.invoke(app, ["check", module]).exit_code == 0
    refused = cli.invoke(app, ["check", module, "--model", "openai:gpt-5-mini"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith(
        "fsm-orch: Ask cannot start: the first call of 'ask' may take 2,304 tokens and $0."
    )


def test_slack_can_be_required(cli, write, ask_source):
    """A worst case above the limit fails then, and says what would make it fit."""
    module = write(ask_source + "        limits = Limits(tokens=3_000)\n")

    assert cli.invoke(app, ["check", module]).exit_code == 0
    result = cli.invoke(app, ["check", module, "--require-slack"])
    assert result.exit_code == 1
    assert "FSM305: the worst run takes 4,608, the limit is 3,000" in result.stdout
    assert "to make it fit: raise the limit, `Limits(tokens=4_608)`" in words(result)


def test_a_fallback_is_bounded_by_the_dearest(cli, ask):
    """Several names are a fallback: the dearest price of each side bounds its cost, and the certificate names all."""
    models = "openai:gpt-5-mini,anthropic:claude-haiku-4-5"
    found = json.loads(cli.invoke(app, ["check", ask, "--json", "--model", models]).stdout)["machines"][0]
    prices = [price_by_name(name) for name in models.split(",")]
    grant = prices[0] and dearest(dict(zip("ab", prices, strict=True))).amount(2_048, 256)

    assert {"ask": models} == found["certificate"]["models"]
    assert 2 * grant.cost == found["certificate"]["bounds"]["cost"]["bound"]
    assert not [finding for finding in found["findings"] if finding["code"] == "FSM307"]


@pytest.mark.parametrize("models", ["openai:gpt-5-mini", "openai:gpt-4o,anthropic:claude-haiku-4-5"])
def test_settings_that_a_model_refuses_are_said(cli, write, ask_source, models):
    """No run starts with them: a check fails, and says which setting of which state, and why."""
    asked = ask_source.replace("LLMAgent(", "LLMAgent(settings=ModelSettings(temperature=0.5), instructions=")
    refused = cli.invoke(app, ["check", write(asked), "--model", models])

    assert refused.exit_code == 1
    assert f"FSM308: the agent of 'ask' has settings that '{models}' does not take" in words(refused)
    assert "temperature=0.5: " in words(refused)
    assert 0 == cli.invoke(app, ["check", write(asked), "--model", "openai:gpt-4o"]).exit_code


def test_a_fallback_that_gets_no_turn_is_said(cli, write, ask_source):
    """With one call a visit no run starts on a fallback: a check fails, and says so."""
    module = write(ask_source.replace("LLMAgent(", "LLMAgent(calls=1, instructions="))
    refused = cli.invoke(app, ["check", module, "--model", "openai:gpt-5-mini,openai:gpt-5-nano"])

    assert refused.exit_code == 1
    assert "FSM307: the agent of 'ask' makes 1 call a visit, so 'openai:gpt-5-mini,openai:gpt-5-nano' never falls" in (
        words(refused)
    )
