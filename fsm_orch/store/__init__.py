"""Stores: where the journals of runs are kept."""

from ..errors import StoreError, TooLittleLeft
from ..kernel.codec import input_from_json, to_json
from ..kernel.inputs import Input
from .base import Hold, Store
from .memory import MemoryStore

__all__ = ["Hold", "Input", "MemoryStore", "Store", "StoreError", "TooLittleLeft", "input_from_json", "to_json"]
