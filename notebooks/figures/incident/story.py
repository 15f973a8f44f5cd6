"""The figures that the story tells, and what follows from each: some agree with each other, and some cannot.

Source: "Agent Orchestration Patterns - The $4k Mistake We Made With LLM-Controlled Handoffs", May 2026,
https://thecodeforge.io/ml-ai/agent-orchestration-patterns/.
"""

from __future__ import annotations

REQUESTS_A_DAY = 2_000_000
HEALTHY_USD_A_DAY = 200
LOOPING_USD_A_DAY = 4_200
TOKENS_A_REQUEST = 12_000
"""Of a request that loops."""
P99_S = 8.0
"""Seconds of the slowest requests, which loop."""
HEALTHY_TOKENS_A_DAY = 500_000
LOOPING_TOKENS = 12_000_000
LOOPING_HOURS = 4
USD_A_CALL = 0.01
