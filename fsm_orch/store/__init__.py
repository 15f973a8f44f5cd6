"""Stores: where the journals of runs are kept."""

from ..errors import LeaseHeld, LeaseLost, StoreError, TooLittleLeft
from ..kernel.codec import input_from_json, to_json
from ..kernel.inputs import Input
from ..kernel.renames import Renames
from .base import Store
from .coded import Codec, Place
from .memory import MemoryStore
from .named import store_at
from .prompts import KeptPrompt
from .values import Claim, Head, Hold, Listed, News, Origin, PaidResponse, Post, Rebound

__all__ = [
    "Claim",
    "Codec",
    "Head",
    "Hold",
    "Input",
    "KeptPrompt",
    "LeaseHeld",
    "LeaseLost",
    "Listed",
    "MemoryStore",
    "News",
    "Origin",
    "PaidResponse",
    "Place",
    "Post",
    "Rebound",
    "Renames",
    "Store",
    "StoreError",
    "TooLittleLeft",
    "input_from_json",
    "store_at",
    "to_json",
]
