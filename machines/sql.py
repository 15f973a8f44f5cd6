"""SQL: a model writes a query, SQLite itself says that it only reads, a human reviews a dear one, and a model explains.

    write      a model writes a query for a question, twice at most
    check      SQLite compiles it, under a guard that refuses all but reading, and plans it
    review     a human looks at a query that reads many rows
    run        code runs it, with limits on seconds, rows and bytes
    explain    a model puts the rows into words
    explained, by_hand

The pattern is to let a model write what code can judge without running it. What judges is the engine, and no list of
words (`machines/database.py`). Do not use it where a wrong number does harm: a query that only reads may still answer
another question. There let people choose among queries that somebody wrote (`choices=` of a `Tool`). And not where
somebody may not see all rows of these tables.

Proved of every run: nothing is run that does not only read, and no dear query that nobody has passed:

    fsm-orch check machines.sql
    fsm-orch run machines.sql "How many orders has shop 3?"

The small local model can do no SQL: it varies the example of its prompt, so one question of six was answered right.
Asked to delete all orders it wrote a DELETE, twice, which was refused, twice. Take a larger one by `--model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fsm_orch import Context, Final, HumanAgent, Limits, LLMAgent, Machine, Preset, State, Visit, guard, never
from fsm_orch.agents import Changes
from machines.database import Database
from machines.orders import SCHEMA, TABLES, filled


class Question(Context):
    """What somebody wants to know, and what the database says of it."""

    text: str
    query: str | None = None
    wrong: Preset[str] = ""
    """Why the query before was refused, for who writes the next."""
    tries: Preset[int] = 0
    is_read_only: bool = False
    is_dear: bool = True
    rows: str | None = None
    answer: str | None = None


@guard
def is_read_only(question: Question) -> bool:
    return question.is_read_only


@guard
def is_dear(question: Question) -> bool:
    return question.is_dear


@guard
def may_try_again(question: Question) -> bool:
    return question.tries < 2


def check_query(visit: Visit[Question, Database]) -> Changes:
    """Have SQLite compile a query, and say what it thinks of it."""
    question = visit.context
    try:
        dear, wrong = visit.deps.plan(str(question.query)), ""
    except ValueError as error:
        dear, wrong = True, f"{question.query}: {error}"[:400]
    judged = {Question.is_read_only: not wrong, Question.is_dear: dear}
    return judged | {Question.wrong: wrong, Question.tries: question.tries + 1}


def run_query(visit: Visit[Question, Database]) -> Changes:
    """Run a query, under the guard under which it was checked."""
    return {Question.rows: visit.deps.rows(str(visit.context.query))}


class AskDatabase(Machine[Question, Database]):
    """Answer a question from a database, by a query that does nothing but read."""

    write = State(
        LLMAgent(
            f"Write one SQLite query that answers the question.{SCHEMA}"  # noqa: S608 - no query
            "Example: SELECT count(*) FROM orders WHERE shop_id = 3",
            does="write queries",
            reads=(Question.text, Question.wrong),
            writes=Question.query,
            max_output_tokens=120,
        ),
        initial=True,
        max_visits=2,
        timeout_s=60,
    )
    check = State(
        check_query,
        reads=(Question.query, Question.tries),
        writes=(Question.is_read_only, Question.is_dear, Question.wrong, Question.tries),
        thread=True,
        repeatable=True,
    )
    review = State(HumanAgent("This reads many rows. Run it?", reads=(Question.text, Question.query)), expires_s=86_400)
    run = State(run_query, reads=Question.query, writes=Question.rows, thread=True, repeatable=True)
    explain = State(
        LLMAgent(
            "Answer the question in one short sentence, from the rows alone.",
            does="explain rows",
            must_not="write queries",
            reads=(Question.text, Question.query, Question.rows),
            writes=Question.answer,
            max_output_tokens=100,
        ),
        timeout_s=60,
    )
    explained, by_hand = Final(), Final(fallback=True)

    written = write >> check
    cheap = check.to(run, guard=is_read_only & ~is_dear)
    dear = check.to(review, guard=is_read_only & is_dear)
    refused = check.to(write, guard=may_try_again & ~is_read_only)
    given_up = check.to(by_hand)
    yes, no = review.to(run, "run it"), review.to(by_hand, "do not run it")
    late = review.on_timeout(by_hand)
    told = run >> explain >> explained

    limits = Limits(hops=7, tokens=12_968, deadline_s=240)
    policies = (never(run).when(~is_read_only), never(run).before(cheap | yes), never(cheap).when(is_dear))


@contextmanager
def deps() -> Iterator[Database]:
    """Yield a database of orders; `fsm-orch` calls this."""
    with filled() as path:
        yield Database(path=path, tables=TABLES)
