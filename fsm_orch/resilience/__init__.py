"""Resilience: what stands between a visit and an unreliable or busy provider."""

from .base import Breaking, Pacing, Places
from .breaker import Breaker
from .gate import Bulkhead, Gate
from .pace import Pace

__all__ = ["Breaker", "Breaking", "Bulkhead", "Gate", "Pace", "Pacing", "Places"]
