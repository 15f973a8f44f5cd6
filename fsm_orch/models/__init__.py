"""Adapters to models, and the registry that finds one by its name."""
