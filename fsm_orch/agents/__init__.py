"""Agents: what works in a state, and what it needs to be written."""

from ..define.agent_spec import AgentSpec
from ..errors import ContextError, VisitClosed, VisitError
from ..limits import CallLimits
from .base import Agent, Changes, PlainAgent, Reply, Visit
from .keyword import KeywordAgent
from .llm import LLMAgent
from .window import Window

__all__ = [
    "Agent",
    "AgentSpec",
    "CallLimits",
    "Changes",
    "ContextError",
    "KeywordAgent",
    "LLMAgent",
    "PlainAgent",
    "Reply",
    "Visit",
    "VisitClosed",
    "VisitError",
    "Window",
]
