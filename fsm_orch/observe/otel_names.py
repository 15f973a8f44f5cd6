"""The names of OpenTelemetry's conventions for generative AI, and our own: all of them stand here.

The conventions are not stable. By default the names are those of 1.36, as these ask for; where the variable
`OTEL_SEMCONV_STABILITY_OPT_IN` holds `gen_ai_latest_experimental` they are the newer ones. No convention has a name for
a handoff, a landing, a limit or money: those are ours, and begin with `fsm.`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
LATEST = "gen_ai_latest_experimental"
CAPTURE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CAPTURES = frozenset({"true", "span_only", "span_and_event"})
"""What `CAPTURE` may hold for texts to stand on spans."""

OPERATION = "gen_ai.operation.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL = "gen_ai.tool.call.id"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
ERROR = "error.type"

INVOKE_WORKFLOW = "invoke_workflow"
INVOKE_AGENT = "invoke_agent"
CHAT = "chat"
EXECUTE_TOOL = "execute_tool"
ASK_HUMAN = "ask_human"
"""Ours: the conventions know no human."""


@dataclass(frozen=True)
class Names:
    """The names that differ between versions of the conventions."""

    provider: str
    cached_tokens: str
    workflow: str


OLD = Names(provider="gen_ai.system", cached_tokens="fsm.usage.cached_input_tokens", workflow="fsm.machine")
NEW = Names(
    provider="gen_ai.provider.name",
    cached_tokens="gen_ai.usage.cache_read.input_tokens",
    workflow="gen_ai.workflow.name",
)


def names_of(environment: Mapping[str, str]) -> Names:
    """Return the names that an environment asks for."""
    wanted = {each.strip() for each in environment.get(OPT_IN, "").split(",")}
    return NEW if LATEST in wanted else OLD


def is_captured(environment: Mapping[str, str]) -> bool:
    """Return whether an environment asks for what is said to models, and by them, to stand on spans."""
    return environment.get(CAPTURE, "").strip().lower() in CAPTURES
