"""The rules that a machine keeps, or it does not build: one file a subject."""
