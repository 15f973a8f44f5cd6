"""Agents: what works in a state."""
