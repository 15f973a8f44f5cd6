"""Other forms of a machine: diagrams, models for SPIN and TLC, and JSON; and of a path: a table, a diagram, a test."""
