"""LLM agents as an explicit finite state machine: a model proposes, the machine disposes.

The names here are for everybody who writes and runs machines. Authors of adapters, agents, stores and observers find
theirs in `fsm_orch.models`, `.agents`, `.store` and `.observe`; proofs are in `fsm_orch.proof`, the testing kit in
`fsm_orch.testing`, all errors in `fsm_orch.errors`.
"""

import sys as _sys

from .agents.base import Reply, Visit
from .agents.examples import ExamplesAgent
from .agents.human import HumanAgent
from .agents.keyword import KeywordAgent
from .agents.llm import LLMAgent
from .agents.map import Map
from .agents.nested import Nested
from .agents.parallel import Parallel
from .agents.server import MCP
from .agents.tool import Tool
from .agents.window import Window
from .amounts import Price, Usage
from .define.context import Context
from .define.guards import all_of, any_of, guard, not_
from .define.machine import Machine
from .define.marks import Given, Preset
from .define.policies import after, at_most, eventually, never
from .define.states import Final, Handoff, State
from .errors import CallDenied, CallFailed, DefinitionError, FsmError, ModelUnavailable, StartError
from .kernel.codec import to_json
from .kernel.hop import Hop
from .limits import Limits
from .messages import Message
from .models.base import Response
from .models.fallback import Fallback
from .models.scripted import ScriptedModel
from .proof.bounds.certificate import Certificate
from .resilience.retry import Retry
from .run.delta import TextDelta
from .run.result import Landing, RunResult
from .run.runner import Runner
from .run.stream import RunStream
from .settings import ModelSettings
from .store.memory import MemoryStore

__all__ = [  # noqa: RUF022 - as Python sorts, which tests hold it to
    "CallDenied",
    "CallFailed",
    "Certificate",
    "Context",
    "DefinitionError",
    "ExamplesAgent",
    "Fallback",
    "Final",
    "FsmError",
    "Given",
    "Handoff",
    "Hop",
    "HumanAgent",
    "KeywordAgent",
    "LLMAgent",
    "Landing",
    "Limits",
    "MCP",
    "Machine",
    "Map",
    "MemoryStore",
    "Message",
    "ModelSettings",
    "ModelUnavailable",
    "Nested",
    "Parallel",
    "Preset",
    "Price",
    "Reply",
    "Response",
    "Retry",
    "RunResult",
    "RunStream",
    "Runner",
    "ScriptedModel",
    "StartError",
    "State",
    "TextDelta",
    "Tool",
    "Usage",
    "Visit",
    "Window",
    "after",
    "all_of",
    "any_of",
    "at_most",
    "eventually",
    "guard",
    "never",
    "not_",
    "to_json",
]

if "IPython" in _sys.modules:  # a notebook shows machines as pictures, and proofs and results as tables
    from .export import display as _display

    _display.register()
