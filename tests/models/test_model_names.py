"""Names of models: what is meant by one that has no provider."""

import pytest

from fsm_orch.errors import ModelUnavailable
from fsm_orch.models.registry import checked
from fsm_orch.models.weights import CATALOGUE

_LOCAL = [entry.name for entry in CATALOGUE.values() if entry.kind == "language"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        *[(name, f"local:{name}") for name in _LOCAL],
        ("smolm2", "local:smollm2"),
        ("locl:smollm2", "local:smollm2"),
        ("gpt-4o-mini", "openai:gpt-4o-mini"),
        ("claude-3-opus-latest", "anthropic:claude-3-opus-latest"),
        ("openai:gpt-4o,smollm2", "local:smollm2"),
    ],
)
def test_a_name_without_its_provider_is_guessed(name: str, meant: str) -> None:
    """Whatever provider knows a model of that name, or one much like it, is named with it; and so in a fallback."""
    with pytest.raises(ModelUnavailable, match=f": did you mean '{meant}'\\? Name one as provider:model; providers: "):
        checked(name)


@pytest.mark.parametrize("name", ["openai", "local:", "anthropic:", "", ":", "qwertyuiop"])
def test_a_name_like_no_other_is_not_guessed(name: str) -> None:
    """A provider alone may mean any of its models."""
    with pytest.raises(ModelUnavailable, match=f"No model '{name}'\\. Name one as provider:model"):
        checked(name)
