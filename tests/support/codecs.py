"""A codec for tests: it encrypts with `cryptography`, and no two writes of one text are alike."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fsm_orch.store import Place


class Sealed:
    """Encrypts with the first of its keys; what any of them has encrypted is read."""

    def __init__(self, *keys: bytes) -> None:
        self._keys = [AESGCM(key) for key in keys]

    def encode(self, place: Place, text: str) -> str:
        nonce = os.urandom(12)
        return b64encode(nonce + self._keys[0].encrypt(nonce, text.encode(), place.bound)).decode()

    def decode(self, place: Place, stored: str) -> str:
        sealed = b64decode(stored, validate=True)
        for key in self._keys:
            try:
                return key.decrypt(sealed[:12], sealed[12:], place.bound).decode()
            except InvalidTag:
                continue
        raise InvalidTag
