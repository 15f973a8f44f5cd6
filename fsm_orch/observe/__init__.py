"""Observers: where records go."""
