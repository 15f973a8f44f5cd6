"""A machine for other eyes: diagrams, models for SPIN and TLC, JSON, and a path as a table or a test."""
