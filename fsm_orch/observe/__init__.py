"""Observers: told of every record of a run, or of every prompt, and never able to touch it."""

from ..kernel.codec import record_from_json, to_json
from ..kernel.records import Record
from ..kernel.schema import records_schema
from .base import Observer
from .everywhere import everywhere
from .prompted import OnPrompt, Prompted

__all__ = ["Observer", "OnPrompt", "Prompted", "Record", "everywhere", "record_from_json", "records_schema", "to_json"]
