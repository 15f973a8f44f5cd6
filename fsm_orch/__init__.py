"""LLM agents as an explicit finite state machine: a model proposes, the machine disposes."""

from .agents.base import Agent, Changes, Reply, Visit
from .agents.keyword import KeywordAgent
from .agents.llm import LLMAgent
from .agents.window import Window
from .amounts import Price, Usage
from .define.agent_spec import AgentSpec
from .define.context import Context, FieldRef
from .define.guards import Guard, all_of, any_of, guard, not_
from .define.machine import Machine
from .define.marks import Given, Preset
from .define.policies import Policy, after, at_most, eventually, never
from .define.states import Final, Handoff, State
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
from .kernel.inputs import Input
from .kernel.records import Record
from .limits import CallLimits, Limits
from .messages import Message
from .models.base import Model, Request, Response
from .models.scripted import ScriptedModel
from .observe.base import Observer
from .proof.bounds.certificate import Certificate
from .resilience.retry import Retry
from .run.result import Hop, Landing, RunResult, RunStream
from .run.runner import Runner
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
    "Preset",
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
