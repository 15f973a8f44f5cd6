"""Three callers by their tokens: of two tenants, and of none."""

from __future__ import annotations

from fastapi import HTTPException, Request

from fsm_orch.service import Caller

TENANTS = {"Bearer a": "acme", "Bearer b": "bolt", "Bearer n": None}
ACME, BOLT, NONE = ({"Authorization": each} for each in TENANTS)


async def verify(request: Request) -> Caller:
    """Return who calls, by a token."""
    token = request.headers.get("authorization", "")
    if token not in TENANTS:
        raise HTTPException(401, "Say who you are.", {"WWW-Authenticate": "Bearer"})
    return Caller(tenant=TENANTS[token], who=token[-1])
