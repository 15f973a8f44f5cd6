"""Auth by one token that all callers have: who does not send it as `Authorization: Bearer` is refused."""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time, where `held` would be unknown
from collections.abc import Callable
from hmac import compare_digest
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .caller import Caller

LEAST = 16
"""Characters of a token: fewer can be guessed."""


def bearer(token: str) -> Callable[..., Any]:
    """Return the `auth=` of a service whose callers all have one token; all of them are one caller.

    Tokens are compared in constant time, so that how long a refusal takes says nothing of the token.

    Args:
        token: 16 printable characters of ASCII or more, without a space; it is in no log and no message.

    Raises ValueError: if it is shorter, or cannot be sent in a header.
    """
    if len(token) < LEAST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ValueError(f"a token has {LEAST} printable characters of ASCII or more, and no space")
    expected, held = token.encode(), HTTPBearer(auto_error=False)

    # async, although nothing is awaited: FastAPI calls a plain function in a thread
    async def verify(given: Annotated[HTTPAuthorizationCredentials | None, Depends(held)]) -> Caller:
        if given is None or not compare_digest(given.credentials.encode(), expected):
            raise HTTPException(401, "Send the token as `Authorization: Bearer`.", {"WWW-Authenticate": "Bearer"})
        return Caller()

    return verify
