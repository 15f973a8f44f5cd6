"""Engines: who drives which run, beyond one machine. Each is an adapter of one library; our journal stays the truth."""
