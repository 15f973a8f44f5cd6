"""Resilience: what stands between a visit and an unreliable provider."""
