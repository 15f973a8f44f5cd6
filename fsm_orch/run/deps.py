"""The dependencies of a run that a worker drives: a factory makes them, and what it opens is closed with the run."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, TypeVar

from ..define.definition import Definition
from ..errors import StartError
from ..store.values import Listed

D = TypeVar("D")

Factory = Callable[[Listed], D | AbstractContextManager[D] | AbstractAsyncContextManager[D]]
"""Makes the dependencies of a run, of which it is told what a list shows: its id and its tenant among it."""


@asynccontextmanager
async def opened(definition: Definition, factory: Factory[Any] | None, run: Listed) -> AsyncIterator[Any]:
    """Yield the dependencies of a run; a context manager, async or not, is entered now and left with the block.

    Yield None if the machine of the run has none.

    Raises StartError: if the factory makes what has to be awaited.
    """
    if definition.deps is None or factory is None:
        yield None
        return
    made = factory(run)
    if isinstance(made, AbstractAsyncContextManager):
        async with made as deps:
            yield deps
    elif isinstance(made, AbstractContextManager):
        with made as deps:
            yield deps
    elif inspect.isawaitable(made) or inspect.isgenerator(made) or inspect.isasyncgen(made):
        if inspect.iscoroutine(made):
            made.close()
        raise StartError(
            f"the dependencies of {definition.name} are made by an async function, or by a bare generator: write a "
            "plain function, or one with @contextmanager or @asynccontextmanager"
        )
    else:
        yield made
