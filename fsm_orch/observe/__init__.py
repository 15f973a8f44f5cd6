"""Observers: told of every record of a run, and never able to touch it."""

from ..kernel.codec import record_from_json, to_json
from ..kernel.records import Record
from .base import Observer
from .everywhere import everywhere

__all__ = ["Observer", "Record", "everywhere", "record_from_json", "to_json"]
