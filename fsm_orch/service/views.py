"""What clients are given of runs: where they stand or ended, and what they ask humans."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, create_model
from pydantic_core import to_json

from ..define.changes import shown
from ..define.definition import Definition
from ..kernel.inputs import Started
from ..run.result import RunResult
from ..run.waiting import Question
from .ids import told_thread


class QuestionView(BaseModel):
    """What a human is asked, or is to approve."""

    key: str = Field(description="Names it: an answer says it where a run asks several.")
    state: str
    text: str
    form: dict[str, Any] = Field(description="The JSON schema of an answer; empty: any answer will do.")
    shown: dict[str, Any] = Field(description="What it is about: the fields that its agent reads.")
    expires_at: float | None = Field(description="When it expires, in seconds of the epoch.")
    tool: str | None = Field(description="The tool that is used if this is answered by true.")


class LandingView(BaseModel):
    """Why a run was moved to its fallback, which has the default answer."""

    reason: str
    detail: str | None = Field(None, description="In words; left out unless the service shows them.")


class HopView(BaseModel):
    """A transition that was taken; without a handoff it was a landing."""

    source: str
    handoff: str | None
    target: str


class UsageView(BaseModel):
    """What providers reported."""

    requests: int
    input_tokens: int
    output_tokens: int


class RunView(BaseModel):
    """A run, as it stands or ended."""

    run_id: str
    thread_id: str | None
    status: Literal["running", "waiting", "finished"]
    state: str = Field(description="Where it stands, or ended.")
    landing: LandingView | None
    waiting: list[QuestionView] = Field(description="What humans are asked.")
    context: Any
    path: list[HopView]
    usage: UsageView
    charged_tokens: int
    cost_usd: float | None
    seconds: float = Field(description="How long it has been active.")


class Accepted(BaseModel):
    """A run that goes on; `Location` says where it is seen."""

    run_id: str


class Health(BaseModel):
    """Whether the service is there, or takes requests."""

    status: Literal["ok", "draining"]


def view_of(definition: Definition) -> type[RunView]:
    """Return the model of a run of a machine, with the fields of its context."""
    fields: dict[str, Any] = {
        name: (info.rebuild_annotation(), Field(None, description=info.description))
        for name, info in definition.context.__pydantic_fields__.items()
    }
    name = f"{definition.name}Fields"
    context = create_model(name, __doc__="What agents and the caller wrote.", **fields)
    return create_model(f"{definition.name}View", __base__=RunView, __doc__=RunView.__doc__, context=(context, ...))


class Views:
    """What the clients of a service are given of runs.

    Args:
        texts: whether they are told in words why a run was landed, which may quote a model, and names a line of code.
    """

    def __init__(self, *, texts: bool) -> None:
        self._texts = texts

    def json(self, result: RunResult[Any]) -> bytes:
        """Return a run as JSON."""
        first, landing = result.journal[0], result.landing
        tenant = first.tenant if isinstance(first, Started) else None
        return to_json({
            "run_id": result.run_id,
            "thread_id": None if result.thread_id is None else told_thread(tenant, result.thread_id),
            "status": result.status,
            "state": result.state.name,
            "landing": landing and ({"reason": landing.reason} | ({"detail": landing.detail} if self._texts else {})),
            "waiting": [_asked(question) for question in result.waiting],
            "context": shown(result.context),
            "path": [hop._asdict() for hop in result.path],
            "usage": {name: getattr(result.usage, name) for name in UsageView.model_fields},
            "charged_tokens": result.charged_tokens,
            "cost_usd": None if result.cost_usd is None else float(result.cost_usd),
            "seconds": result.seconds,
        })  # fmt: skip


def _asked(question: Question) -> dict[str, Any]:
    return {name: getattr(question, name) for name in QuestionView.model_fields}
