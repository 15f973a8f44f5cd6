"""The names of models, as the kernel knows them: a model is asked outside, and its name is told in records."""

from __future__ import annotations

from collections.abc import Mapping

from ..define.worst import within
from .configuration import NO_MODELS, Configuration
from .requests import RunPart


def models_inside(above: Configuration, ask: int) -> Mapping[str, str]:
    """Return the models of a part that a visit asked for, by where their states are in that part."""
    if not above.models or above.visit is None:
        return NO_MODELS
    request = above.visit.asks[ask].request
    assert isinstance(request, RunPart)
    return within(above.models, f"{above.state}.{request.part}")


def provider_of(model: str | None) -> str | None:
    """Return the provider that the name of a model begins with: `openai` of `openai:gpt-5-mini`; None if it has none.

    The name of a whole fallback has none, since it is not known who is asked.
    """
    if model is None or "," in model:
        return None
    provider, colon, _ = model.partition(":")
    return provider if colon else None
