"""LLM agents as an explicit finite state machine: a model proposes, the machine disposes."""

from .agents.base import Agent, Changes, Reply, Visit
from .agents.code import Go
from .agents.keyword import KeywordAgent
from .agents.llm import LLMAgent
from .budget import Price
from .context import Context, FieldRef, Given
from .definition import Final, Handoff, State
from .errors import (
    CallDenied,
    CallFailed,
    ContextError,
    DefinitionError,
    Finding,
    FsmError,
    ModelError,
    ModelUnavailable,
    StartError,
    StepError,
    StoreError,
    VisitClosed,
    VisitError,
)
from .events import Input, Record
from .guards import Guard, all_of, any_of, guard, not_
from .history import Window
from .limits import CallLimits, Limits
from .machine import Machine
from .messages import Message, Usage
from .models.base import Model, Request, Response
from .models.scripted import ScriptedModel
from .observe.base import Observer
from .policies import Policy, after, at_most, eventually, never
from .proof.certificate import Certificate
from .resilience.retry import Retry
from .result import Hop, Landing, RunResult, RunStream
from .runner import Runner
from .spec import AgentSpec
from .store.base import Store
from .store.memory import MemoryStore

__all__ = [
    "Agent",
    "AgentSpec",
    "CallDenied",
    "CallFailed",
    "CallLimits",
    "Certificate",
    "Changes",
    "Context",
    "ContextError",
    "DefinitionError",
    "FieldRef",
    "Final",
    "Finding",
    "FsmError",
    "Given",
    "Go",
    "Guard",
    "Handoff",
    "Hop",
    "Input",
    "KeywordAgent",
    "LLMAgent",
    "Landing",
    "Limits",
    "Machine",
    "MemoryStore",
    "Message",
    "Model",
    "ModelError",
    "ModelUnavailable",
    "Observer",
    "Policy",
    "Price",
    "Record",
    "Reply",
    "Request",
    "Response",
    "Retry",
    "RunResult",
    "RunStream",
    "Runner",
    "ScriptedModel",
    "StartError",
    "State",
    "StepError",
    "Store",
    "StoreError",
    "Usage",
    "Visit",
    "VisitClosed",
    "VisitError",
    "Window",
    "after",
    "all_of",
    "any_of",
    "at_most",
    "eventually",
    "guard",
    "never",
    "not_",
]
