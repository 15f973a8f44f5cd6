"""Agents: what works in a state, and what it needs to be written."""

from ..define.agent_spec import AgentSpec
from ..errors import ContextError, PartFailed, VisitClosed, VisitError
from ..limits import CallLimits
from .base import Agent, Changes, PlainAgent, Reply, Round, Visit
from .compose import Map, Nested, Parallel
from .human import HumanAgent
from .keyword import KeywordAgent
from .llm import LLMAgent
from .window import Window

__all__ = [
    "Agent",
    "AgentSpec",
    "CallLimits",
    "Changes",
    "ContextError",
    "HumanAgent",
    "KeywordAgent",
    "LLMAgent",
    "Map",
    "Nested",
    "Parallel",
    "PartFailed",
    "PlainAgent",
    "Reply",
    "Round",
    "Visit",
    "VisitClosed",
    "VisitError",
    "Window",
]
