"""Which settings a model refuses, told of its name alone: as its adapter tells it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.settled import SETTINGS

from fsm_orch import ModelSettings
from fsm_orch.models.base import objection
from fsm_orch.models.refused import not_taken_by
from fsm_orch.models.registry import checked, resolve

NAMES = (
    *("openai:gpt-5-mini", "openai:gpt-5.1", "openai:gpt-4o", "openai:other", "openai-chat:gpt-4o"),
    *("openai-chat:o3", "anthropic:claude-haiku-4-5", "anthropic:claude-opus-4-6", "compatible:ours"),
)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "sk-test")
    monkeypatch.setenv("FSM_ORCH_COMPATIBLE_URL", "http://localhost:1/v1")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True), SETTINGS)
def test_a_name_tells_what_its_model_refuses(keys: None, names: list[str], chosen: ModelSettings) -> None:
    """For each provider, and for a fallback the first of its models that does not take all: word for word."""
    name = ",".join(names)
    assert checked(name) == name

    assert objection(resolve(name), chosen) == not_taken_by(name, chosen)


def test_a_local_model_does_not_reason() -> None:
    """Its weights need not be there for it."""
    assert "reasoning_effort='low': it does not reason" == not_taken_by(
        "local:smollm2", ModelSettings(reasoning_effort="low", seed=7)
    )
