"""Objects of other frameworks that a user named: found in their modules, and read."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from .. import discover
from ..adopt import detect
from ..adopt.graph import Graph
from ..define.machine import is_machine
from ..errors import DiscoveryError, FsmError
from .show import CommandError

T = TypeVar("T")


def read(target: str) -> Graph:
    """Import a module and read the object that is named in it.

    Raises CommandError: if it is a machine already.
    Raises DiscoveryError: if there is no such object, or the module cannot be imported.
    Raises Unreadable: if it is of no framework that can be read, or something that is read is not there.
    """
    thing = discover.thing(target, Path.cwd())
    if isinstance(thing, Awaitable) and target.endswith("()"):
        thing = _awaited(thing, target)
    if is_machine(thing):
        raise CommandError(f"{target!r} is a machine already: fsm-orch check {target}")
    return detect.read(thing, target.rpartition(":")[2])


def _awaited(made: Awaitable[object], target: str) -> object:
    """Return what an async function of a user comes to.

    Raises CommandError: if it raises.
    """

    async def wait() -> object:
        return await made

    try:
        return asyncio.run(wait())
    except Exception as error:
        raise CommandError(f"{target!r} raised {type(error).__name__}: {error}") from error


def or_hint(found: Callable[[], T], targets: Iterable[str]) -> T:
    """Return what was found.

    Raises CommandError: if it was not, and a target is an object of another framework; says how to import it.
    """
    try:
        return found()
    except DiscoveryError:
        for target in targets:
            what = _what(target)
            if what is not None:
                raise CommandError(f"{target!r} is no machine, it is {what}: fsm-orch import {target}") from None
        raise


def _what(target: str) -> str | None:
    with suppress(FsmError):
        thing = discover.thing(target, Path.cwd())
        if inspect.iscoroutine(thing):
            thing.close()
        return detect.what_is(thing)
    return None
