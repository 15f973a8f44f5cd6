"""Bridges: agents and tools of other frameworks, one file for each of their libraries."""
