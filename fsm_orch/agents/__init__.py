"""Agents: what works in a state, and what it needs to be written."""

from ..define.agent_spec import AgentSpec
from ..errors import ContextError, VisitClosed, VisitError
from ..limits import CallLimits
from ..models.embed import Embedder
from .base import Agent, Changes, PlainAgent, Reply, Visit
from .centroids import Centroids, dump_centroids, load_centroids
from .examples import ExamplesAgent, Nearest
from .keyword import KeywordAgent
from .llm import LLMAgent
from .window import Window

__all__ = [
    "Agent",
    "AgentSpec",
    "CallLimits",
    "Centroids",
    "Changes",
    "ContextError",
    "Embedder",
    "ExamplesAgent",
    "KeywordAgent",
    "LLMAgent",
    "Nearest",
    "PlainAgent",
    "Reply",
    "Visit",
    "VisitClosed",
    "VisitError",
    "Window",
    "dump_centroids",
    "load_centroids",
]
