"""Who calls: what an application's `auth=` returns of a request."""

# no `from __future__ import annotations`: FastAPI resolves annotations at run time, where `auth` would be unknown
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends

from ..define.wording import kind_of
from ..errors import StartError

_LINE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]{1,255}")
"""Goes into names of threads, keys of quotas and the journal."""


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Raises StartError: if a name is no line of 1 to 255 characters. So an empty claim of a token is no tenant, which all
        would share whose claim is.
    """

    tenant: str | None = None
    """For whom its runs are, and the only ones whose runs it sees; None: those that are nobody's."""
    who: str | None = None
    """Its name, which the journal keeps beside the answers that it gives, and in why a run landed that it cancels."""

    def __post_init__(self) -> None:
        names: dict[str, object] = {"tenant": self.tenant, "who": self.who}
        for name, given in names.items():
            if given is not None and not (isinstance(given, str) and _LINE.fullmatch(given)):
                told = "that" if isinstance(given, str) else kind_of(given)
                raise StartError(f"{name}= of a Caller is a line of 1 to 255 characters, or None, not {told}")


async def anybody() -> Caller:
    """Return the caller of an application that asks nobody who they are."""
    # async, although nothing is awaited: FastAPI calls a plain function in a thread, which costs half a run
    return Caller()


def known_by(auth: Callable[..., Any]) -> Callable[..., Any]:
    """Return a dependency of FastAPI that returns what `auth` does, if it is a `Caller`, and raises StartError else.

    Something that merely looks like one might be nobody's: the class itself has a tenant, which is None.
    """
    if auth is anybody:
        return auth

    async def known(caller: Annotated[Any, Depends(auth)]) -> Caller:
        if not isinstance(caller, Caller):
            raise StartError(f"auth= returns a Caller, not {kind_of(caller)}: Caller(tenant=..., who=...)")
        return caller

    return known
