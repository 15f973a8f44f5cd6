"""Resilience: what stands between a visit and an unreliable or busy provider."""

from ..errors import Overloaded
from .admission import Admission, Door
from .base import Breaking, Pacing, Places
from .breaker import Breaker
from .cached import Answered, CachedAnswers
from .gate import Bulkhead, Gate
from .pace import Pace

__all__ = [
    "Admission",
    "Answered",
    "Breaker",
    "Breaking",
    "Bulkhead",
    "CachedAnswers",
    "Door",
    "Gate",
    "Overloaded",
    "Pace",
    "Pacing",
    "Places",
]
