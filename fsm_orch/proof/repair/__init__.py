"""Repairs: the smallest change of a machine after which a policy holds, or the worst case fits its limit."""
