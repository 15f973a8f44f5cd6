"""Settings of models: what they may be, and where they stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support.settled import SETTINGS, machine_with

from fsm_orch import ModelSettings, Runner, ScriptedModel, StartError
from fsm_orch.amounts import FREE
from fsm_orch.models import Request, Response


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"temperature": True},
        {"temperature": "0"},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": 1.5},
        {"seed": True},
        {"top_p": 0},
        {"top_p": 1.01},
        {"reasoning_effort": "huge"},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"temperatur_": 0.5},
    ],
    ids=str,
)
def test_ranges(wrong: dict[str, Any]) -> None:
    """What is out of its range, of another type, or no setting is refused where it is written."""
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        ModelSettings(**wrong)


def test_frozen() -> None:
    """Settings cannot be changed once they are made."""
    with pytest.raises(ValidationError, match="frozen"):
        ModelSettings(seed=1).seed = 2  # type: ignore[misc]


@given(SETTINGS)
def test_only_what_is_set_is_in_the_digest(settings: ModelSettings) -> None:
    """Settings are in the canonical form as far as they are set; with none a digest is what it was without them."""
    plain, made = machine_with().definition, machine_with(settings).definition
    agent = made.canonical["states"]["ask"]["agent"]

    assert settings.chosen == agent.get("settings", {})
    assert (plain.digest == made.digest) == (settings == ModelSettings())


@given(st.tuples(SETTINGS, SETTINGS))
def test_other_settings_are_another_digest(two: tuple[ModelSettings, ModelSettings]) -> None:
    """Two machines that differ in a setting differ in their digests."""
    first, second = (machine_with(settings).definition.digest for settings in two)

    assert (two[0] == two[1]) == (first == second)


def test_settings_reach_the_model() -> None:
    """Each request of an agent has its settings."""
    settings = ModelSettings(temperature=0.5, seed=3)
    model = ScriptedModel(["no JSON", {"answer": "yes"}])
    made = machine_with(settings)
    result = Runner(made, model=model).run_sync(made.definition.context(query="?"))

    assert result.landing is None
    assert [settings, settings] == [request.settings for request in model.requests]


class Own:
    """A model that says nothing of settings."""

    name, price = "own:model", FREE

    async def count(self, request: Request) -> int:
        return 1

    async def complete(self, request: Request) -> Response:
        return Response(text='{"answer": "yes"}', usage=None)


def test_a_model_that_says_nothing_takes_none() -> None:
    """A model that does not say that it takes settings runs without them, and no run starts with one."""
    made = machine_with()
    assert Runner(made, model=Own()).run_sync(made.definition.context(query="?")).landing is None
    with pytest.raises(StartError, match=r"'ask' has settings that 'own:model' does not take \(Own .* def objection"):
        Runner(machine_with(ModelSettings(seed=1)), model=Own())


def test_not_settings() -> None:
    """What is no `ModelSettings` is refused where the agent is made, with what to write."""
    with pytest.raises(TypeError, match=r"settings= takes ModelSettings\(temperature=0\.2\), not a dict"):
        machine_with({"temperature": 0})  # type: ignore[arg-type]
