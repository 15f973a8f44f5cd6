"""Counterexamples: a path as a table, as a diagram and as a test, and the smallest change that removes it."""
