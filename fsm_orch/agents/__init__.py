"""Agents: what works in a state, and what it needs to be written."""

from ..define.agent_spec import AgentSpec
from ..errors import ContextError, PartFailed, VisitClosed, VisitError
from ..limits import CallLimits
from ..models.embed import Embedder
from .base import Agent, Changes, PlainAgent, Reply, Round, Visit
from .centroids import Centroids, dump_centroids, load_centroids
from .examples import ExamplesAgent, Nearest
from .human import HumanAgent
from .keyword import KeywordAgent
from .llm import LLMAgent
from .map import Map
from .nested import Nested
from .parallel import Parallel
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
    "HumanAgent",
    "KeywordAgent",
    "LLMAgent",
    "Map",
    "Nearest",
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
    "dump_centroids",
    "load_centroids",
]
