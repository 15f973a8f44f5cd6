"""Settings of a model: how it samples, how much it thinks, how long a call may take.

What is not set is the provider's own. What a model cannot keep to is refused before a run starts, and never dropped.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from .limits import Seconds

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a reasoning model thinks, from not at all; most models know some of these words only."""

_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False, strict=True)]


class ModelSettings(BaseModel):
    """Settings of the calls of one agent: `LLMAgent(..., settings=ModelSettings(temperature=0, seed=7))`.

    Raises pydantic.ValidationError: if a value is out of its range, or not of its type.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False, strict=True)] | None = None
    """How much chance there is in a reply, from 0 to 2."""
    # so many bits as every provider takes; llama.cpp reads the largest number of 32 bits as "choose one"
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] | None = None
    """What chance starts from, from 0 up to 2**31; the same request may then have the same reply."""
    top_p: _Share | None = None
    """Only tokens that together have this probability are chosen from, above 0 and up to 1."""
    reasoning_effort: Effort | None = None
    """How much a reasoning model thinks. What it thinks is output: `max_output_tokens` has to leave room for it."""
    timeout_s: Seconds | None = None
    """Seconds that one call may take in all. Its visit's time cuts it off anyhow, and then no call can follow."""

    @property
    def chosen(self) -> dict[str, Any]:
        """What is set, by name."""
        return self.model_dump(exclude_none=True)


AS_THEY_ARE = ModelSettings()
"""Nothing is set."""
