"""Runs a machine: performs what the kernel asks for. asyncio lives here."""
