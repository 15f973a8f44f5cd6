"""Graphs of other frameworks: read as they stand, judged, and written as the module of a machine."""
