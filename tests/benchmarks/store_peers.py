"""Other libraries that keep runs in a database: LangGraph's and Burr's savers, for `stores.py`.

    pip install -e '.[dev]' langgraph langgraph-checkpoint-sqlite langgraph-checkpoint-postgres apache-burr aiosqlite

in an environment of their own. Each goes round five trivial nodes, awaits nothing in them, and stores where a run
stands after each: a crash loses as little of it as of ours. What is not installed is reported as skipped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypedDict

Run = Callable[[str, int], Awaitable[None]]
"""Goes round so many nodes, as a run of this id."""

NODES = "abcde"


class Going(TypedDict):
    """Where a run of LangGraph stands."""

    left: int
    text: str


def _graph(saver: Any) -> Run:
    from langgraph.graph import END, START, StateGraph

    async def node(state: Going) -> dict[str, Any]:
        return {"left": state["left"] - 1}

    graph = StateGraph(Going)
    for place, name in enumerate(NODES):
        graph.add_node(name, node)
        following = NODES[(place + 1) % len(NODES)]
        graph.add_conditional_edges(name, lambda state, to=following: to if state["left"] else END, [following, END])
    graph.add_edge(START, NODES[0])
    compiled = graph.compile(checkpointer=saver)

    async def run(run_id: str, hops: int) -> None:
        config: Any = {"configurable": {"thread_id": run_id}, "recursion_limit": hops + 2}
        durable: dict[str, Any] = {} if saver is None else {"durability": "sync"}
        ended = await compiled.ainvoke({"left": hops, "text": "x"}, config, **durable)
        assert ended["left"] == 0

    return run


@asynccontextmanager
async def langgraph_none(folder: str, postgresql: str) -> AsyncIterator[Run]:
    """LangGraph without a saver."""
    yield _graph(None)


@asynccontextmanager
async def langgraph_sqlite(folder: str, postgresql: str) -> AsyncIterator[Run]:
    """LangGraph's saver in SQLite, in WAL mode with `synchronous=FULL`, as it comes; durability `sync`."""
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    async with AsyncSqliteSaver.from_conn_string(f"{folder}/langgraph.db") as saver:
        await saver.setup()
        yield _graph(saver)


@asynccontextmanager
async def langgraph_postgresql(folder: str, postgresql: str) -> AsyncIterator[Run]:
    """LangGraph's saver in PostgreSQL, on a pool of 8 connections; durability `sync`."""
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from psycopg.rows import dict_row
    from psycopg_pool import AsyncConnectionPool

    options: Any = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: Any = AsyncConnectionPool(postgresql, min_size=8, max_size=8, open=False, kwargs=options)
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        yield _graph(saver)


def _application(persister: Any) -> Run:
    from burr.core import GraphBuilder, State, action, when
    from burr.core.application import ApplicationBuilder

    @action(reads=["left"], writes=["left"])
    async def node(state: State) -> State:
        return state.update(left=state["left"] - 1)

    @action(reads=[], writes=[])
    async def ended(state: State) -> State:
        return state

    ways = [(name, "ended", when(left=0)) for name in NODES]
    on = [(name, NODES[(place + 1) % len(NODES)]) for place, name in enumerate(NODES)]
    graph = GraphBuilder().with_actions(ended=ended, **dict.fromkeys(NODES, node)).with_transitions(*ways, *on).build()

    async def run(run_id: str, hops: int) -> None:
        builder = ApplicationBuilder().with_graph(graph).with_identifiers(app_id=run_id, partition_key="p")
        builder = builder.with_state(left=hops, text="x").with_entrypoint(NODES[0])
        if persister is not None:
            builder = builder.with_state_persister(persister)
        application = await builder.abuild()
        _, _, state = await application.arun(halt_before=["ended"])
        assert state["left"] == 0

    return run


@asynccontextmanager
async def burr_none(folder: str, postgresql: str) -> AsyncIterator[Run]:
    """Burr without a persister."""
    yield _application(None)


@asynccontextmanager
async def burr_sqlite(folder: str, postgresql: str) -> AsyncIterator[Run]:
    """Burr's asynchronous persister in SQLite, as it comes: no WAL."""
    from burr.integrations.persisters.b_aiosqlite import AsyncSQLitePersister

    persister = await AsyncSQLitePersister.from_values(f"{folder}/burr.db")
    await persister.initialize()
    try:
        yield _application(persister)
    finally:
        await persister.cleanup()


PEERS: Mapping[str, tuple[str, Any]] = {
    "langgraph none": ("langgraph", langgraph_none),
    "langgraph sqlite": ("langgraph-checkpoint-sqlite", langgraph_sqlite),
    "langgraph postgresql": ("langgraph-checkpoint-postgres", langgraph_postgresql),
    "burr none": ("apache-burr", burr_none),
    "burr sqlite": ("apache-burr", burr_sqlite),
}
"""By name, the package that it needs, and what opens it in a scratch folder or at the URL of a server."""
