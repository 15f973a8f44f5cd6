"""Questions to a database: a query only reads, whatever a model writes, and a dear one is looked at first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.lanes import in_both_lanes
from support.walked import path

from fsm_orch import MemoryStore, Runner, ScriptedModel
from fsm_orch.models.local import LocalModel
from fsm_orch.proof import prove
from fsm_orch.testing import RoutingSafety
from machines.database import Database
from machines.orders import TABLES, fill
from machines.sql import AskDatabase, Question

CHEAP = {"query": "SELECT count(*) FROM orders WHERE shop_id = 3"}
DEAR = {"query": "SELECT sum(cents) FROM orders"}
DROP = {"query": "DROP TABLE orders"}
SAID = {"answer": "There are 500."}
ATTACKS = (
    "ATTACH '{folder}/stolen.db' AS stolen",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    "SELECT load_extension('{folder}/evil.so')",
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n",
    "SELECT 1; DROP TABLE orders",
    "/* SELECT */ DELETE FROM orders",
    "SELECT 1 --\n; DELETE FROM orders",
    "VACUUM INTO '{folder}/stolen.db'",
    "VACUUM",
    "REINDEX",
    "ANALYZE",
    "BEGIN EXCLUSIVE",
    "CREATE TEMP TABLE kept AS SELECT * FROM orders",
    "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
    "INSERT INTO shops VALUES (9, 'Bonn') RETURNING id",
    "WITH a AS (SELECT 1) UPDATE orders SET cents = 0 RETURNING id",
    "REPLACE INTO shops VALUES (1, 'Bonn')",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM temp.sqlite_master",
    "SELECT * FROM pragma_database_list",
    "SELECT length(randomblob(1000000000))",
    "SELECT printf('%.1000000000d', 1)",
    "SELECT writefile('{folder}/x', 'x')",
    "EXPLAIN SELECT 1",
    "QUERY PLAN SELECT 1",
    "",
    ";",
    "--",
    "SELECT \0 1",
    "SELECT '\ud800'",
)

TestAskDatabase = RoutingSafety(AskDatabase).TestCase


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Return a database that no test has changed at the end."""
    one = Database(path=fill(tmp_path_factory.mktemp("sql") / "shops.db"), tables=TABLES)
    before = one.path.read_bytes()
    yield one
    assert before == one.path.read_bytes()
    assert [one.path] == list(one.path.parent.iterdir())


def runner(*script: Any) -> Runner[Question, Database]:
    """Return a runner with a scripted model."""
    return Runner(AskDatabase, model=ScriptedModel(list(script)), store=MemoryStore())


async def test_a_cheap_query_is_run_and_explained(database: Database) -> None:
    """Nobody is asked about a query that searches by an index."""
    result = await runner(CHEAP, SAID).run(Question(text="Orders of shop 3?"), deps=database)

    assert path(result) == ["write", "check", "run", "explain", "explained"]
    assert (result.context.rows, result.context.answer) == ("500", "There are 500.")


@pytest.mark.parametrize("answer", [AskDatabase.yes, AskDatabase.no])
async def test_a_dear_query_waits_for_a_human(database: Database, answer: Any) -> None:
    """It is run on a yes, and never on a no."""
    own = runner(DEAR, SAID)
    waits = await own.run(Question(text="All of it?"), deps=database)

    assert waits.waiting[0].shown == {"text": "All of it?", **DEAR}
    result = await own.resume(waits.run_id, answer, deps=database)
    is_run = answer is AskDatabase.yes
    assert (result.state is AskDatabase.explained, result.context.rows is not None) == (is_run, is_run)


async def test_a_dear_query_that_nobody_looks_at(database: Database) -> None:
    """It is not run after a day, but done by hand."""
    now = [1e9]
    own = Runner(AskDatabase, model=ScriptedModel([DEAR]), store=MemoryStore(), wall_clock=lambda: now[0])
    waits = await own.run(Question(text="All of it?"), deps=database)
    now[0] += 86_000
    assert (await own.expire(waits.run_id, deps=database)).waiting
    now[0] += 500
    result = await own.expire(waits.run_id, deps=database)

    assert (result.state, result.landing, result.context.rows) == (AskDatabase.by_hand, None, None)


async def test_a_refused_query_is_written_once_more(database: Database) -> None:
    """The model is shown its query, and what SQLite says of it; the second time it is the last."""
    model = ScriptedModel([DROP, CHEAP, SAID])
    result = await Runner(AskDatabase, model=model).run(Question(text="?"), deps=database)

    assert path(result)[:4] == ["write", "check", "write", "check"]
    assert result.state is AskDatabase.explained
    assert "DROP TABLE orders: not authorized" in model.requests[1].messages[-1].content
    given_up = await runner(DROP, DROP, DROP).run(Question(text="?"), deps=database)
    assert (path(given_up)[-1], given_up.landing, given_up.context.rows) == ("by_hand", None, None)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_does_more_than_read_is_refused_before_it_is_run(database: Database, attack: str) -> None:
    """SQLite compiles none of these; nor does running one directly change the file, or write another."""
    query = attack.format(folder=database.path.parent)

    with pytest.raises(ValueError):
        database.plan(query)
    before = database.path.read_bytes()
    with suppress(ValueError):
        database.rows(query)
    assert before == database.path.read_bytes()
    assert [database.path] == list(database.path.parent.iterdir())


@pytest.mark.parametrize(
    ("query", "is_dear"),
    [
        ("SELECT city FROM shops", False),
        ("SELECT 1 /* ; DROP TABLE orders */ -- DELETE", False),
        ("SELECT 'DROP TABLE orders'", False),
        ("SELECT cents FROM orders WHERE id = 7", False),
        ("SELECT * FROM orders AS shops", True),
        ("SELECT * FROM orders WHERE id > 0", True),
        ("SELECT * FROM shops a, shops b, shops c, shops d, shops e, shops f", True),
        ("WITH shops AS (SELECT * FROM orders) SELECT count(*) FROM shops", True),
    ],
)
def test_a_plan_tells_what_is_dear(database: Database, query: str, is_dear: bool) -> None:
    """What goes through a large table is dear, by whatever name; words in comments and texts are only words."""
    assert database.plan(query) is is_dear


def test_a_query_is_cut(database: Database) -> None:
    """One that takes too long is ended, and of many rows the first come back."""
    hasty = Database(path=database.path, tables=database.tables, seconds=0.05)

    with pytest.raises(ValueError, match="interrupted"):
        hasty.rows("SELECT count(*) FROM orders a, orders b, orders c")
    assert len(database.rows("SELECT * FROM orders").splitlines()) == database.most_rows
    with pytest.raises(ValueError, match="too large"):
        database.rows(f"SELECT {'1 + ' * 2_000} 1")
    with pytest.raises(ValueError, match="prohibited"):
        Database(path=database.path, tables=("shops",)).plan("SELECT * FROM orders")


words = st.sampled_from(" ".join((*ATTACKS, "SELECT FROM orders shops * ( ) , ; -- /* */ ' 1")).split())


@in_both_lanes(few=10, many=100)
def test_whatever_a_model_writes_the_database_is_the_same(database: Database, examples: int) -> None:
    """Any text at all, passed by a human who passes everything, changes nothing, and is run only if it only reads."""
    before = database.path.read_bytes()

    @settings(max_examples=examples, deadline=None)
    @given(st.one_of(st.text(max_size=80), st.lists(words, max_size=12).map(" ".join), st.sampled_from(ATTACKS)))
    @example("VACUUM INTO 'stolen.db'")
    @example(CHEAP["query"])
    @example(DEAR["query"])
    def nothing_changes(query: str) -> None:
        own = runner(*[{"query": query}] * 4)
        try:
            result = own.run_sync(Question(text="?"), deps=database)
        except ValueError:  # half a surrogate pair, which no journal holds
            return
        if result.waiting:
            result = asyncio.run(own.resume(result.run_id, AskDatabase.yes, deps=database))

        assert result.context.rows is None or result.context.is_read_only
        assert before == database.path.read_bytes()

    nothing_changes()


def doubled(times: int) -> str:
    """Return a query of a few hundred characters, which compiles into one of 8 to the power of so many."""
    query = "SELECT id x FROM shops"
    for _ in range(times):
        query = f"SELECT {'+'.join(['x'] * 8)} x FROM({query})"
    return query


def referred(times: int) -> str:
    """Return a query each of whose parts stands twice in the next one."""
    parts = [f"a{i} AS (SELECT (SELECT x FROM a{i - 1}) + (SELECT x FROM a{i - 1}) x)" for i in range(1, times)]
    return f"WITH a0 AS (SELECT 1 x), {', '.join(parts)} SELECT x FROM a{times - 1}"


LIKE = "SELECT {} LIKE '%a' || {} || 'b' FROM shops".format(*("||".join([f"'{c * 200}'"] * 4) for c in "a_"))


@pytest.mark.slow
@pytest.mark.parametrize("query", [doubled(8), referred(20), LIKE], ids=["doubled", "referred", "like"])
def test_what_takes_much_before_it_is_run_is_ended(database: Database, query: str) -> None:
    """SQLite asks nobody while it compiles, or compares: the process of the query is ended, and this one goes on."""
    with pytest.raises(ValueError, match=r"it takes more than 1 s, or 256 MB|too complex|out of memory"):
        database.rows(query)


@pytest.mark.slow
def test_a_query_that_has_time_is_ended_for_its_memory(database: Database) -> None:
    """What 64 MB are too little for is ended long before its time is over, and is answered where there are more."""
    with pytest.raises(ValueError, match=r"or 64 MB|out of memory"):
        replace(database, seconds=60, memory_mb=64).rows(doubled(6))
    assert replace(database, seconds=60, memory_mb=1_000).rows(doubled(6)).startswith("262144\n")


def test_nothing_is_run_that_does_not_only_read() -> None:
    """All policies hold of every run, the bill is known, and nothing is left to find."""
    proof = prove(AskDatabase)

    assert [verdict.verdict for verdict in proof.policies] == ["holds"] * 3
    assert (proof.bounds.tokens, proof.bounds.calls, proof.bounds.hops) == (12_968, 6, 7)
    assert () == proof.findings


@pytest.mark.local
async def test_the_local_model_changes_nothing(tmp_path: Path) -> None:
    """What a real model writes is run only if it only reads."""
    database = Database(path=fill(tmp_path / "shops.db"), tables=TABLES)
    before = database.path.read_bytes()
    with closing(LocalModel()) as model:
        own = Runner(AskDatabase, model=model, store=MemoryStore())
        result = await own.run(Question(text="How many orders are there?"), deps=database)

    assert result.waiting or result.context.rows is None or result.context.is_read_only
    assert before == database.path.read_bytes()
