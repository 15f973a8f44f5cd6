"""The service: what stands between machines and the world outside."""

from .webhooks import Event, Webhooks

__all__ = ["Event", "Webhooks"]
