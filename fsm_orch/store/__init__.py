"""Stores: where the journals of runs are kept."""

from ..errors import StoreError
from ..kernel.codec import input_from_json, to_json
from ..kernel.inputs import Input
from .base import Store
from .memory import MemoryStore

__all__ = ["Input", "MemoryStore", "Store", "StoreError", "input_from_json", "to_json"]
