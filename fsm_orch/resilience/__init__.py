"""Resilience: what stands between a visit and an unreliable or busy provider, and between a run and a busy service."""

from ..errors import Overloaded
from .admission import Admission
from .base import Account, Breaking, Holdings, Pacing, Places
from .breaker import Breaker
from .cached import Answered, CachedAnswers
from .door import Door
from .gate import Bulkhead, Gate
from .holding import MemoryHoldings
from .pace import Pace
from .quota import Applicant, Quota

__all__ = [
    "Account",
    "Admission",
    "Answered",
    "Applicant",
    "Breaker",
    "Breaking",
    "Bulkhead",
    "CachedAnswers",
    "Door",
    "Gate",
    "Holdings",
    "MemoryHoldings",
    "Overloaded",
    "Pace",
    "Pacing",
    "Places",
    "Quota",
]
