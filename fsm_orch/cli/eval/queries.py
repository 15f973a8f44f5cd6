"""Queries with their expected states, read from a CSV."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...define.definition import Definition
from .. import tables
from ..show import CommandError

_SPLIT = "split"
"""The column that says which part of the data a row belongs to."""


class Query(NamedTuple):
    """A row of the data."""

    text: str
    expected: str


def read(path: Path, *, text: str, expect: str, split: str | None) -> list[Query]:
    """Return the queries of a CSV file with a header.

    Args:
        path: the file, in UTF-8, or in UTF-16 with its mark.
        text, expect: names of columns.
        split: use only rows with this value in the column `split`; None: all rows.

    Raises CommandError: if the file cannot be read, a column or a cell is missing, or no row is left.
    """
    columns, rows = tables.rows(path)
    wanted = (text, expect) if split is None else (text, expect, _SPLIT)
    for column in wanted:
        if column not in columns:
            raise CommandError(f"{path} has no column {column!r}. Columns: {', '.join(columns) or 'none'}")
    for number, row in enumerate(rows, start=1):
        if any(row[column] is None for column in wanted):
            raise CommandError(f"Row {number} of {path} has fewer cells than the header")
    queries = [Query(row[text] or "", row[expect] or "") for row in rows if split is None or row[_SPLIT] == split]
    if not queries:
        there = sorted({row[_SPLIT] or "" for row in rows}) if split is not None else []
        raise CommandError(f"{path} has no query" + (f" of {split!r}. Splits: {', '.join(there)}" if there else ""))
    return queries


def labels(queries: Sequence[Query], definition: Definition) -> tuple[str, ...]:
    """Return the states that some query is expected to reach, in declaration order.

    Raises CommandError: if there is none.
    """
    expected = {query.expected for query in queries}
    named = tuple(name for name in definition.states if name in expected)
    if not named:
        raise CommandError(
            f"Nothing that is expected is a state of {definition.name}: {', '.join(sorted(expected)[:10])}. "
            f"States: {', '.join(definition.states)}. Name the column of expected states with --expect"
        )
    return named


def sample(queries: Sequence[Query], count: int | None, seed: int) -> list[Query]:
    """Return queries chosen at random, the same ones for the same seed.

    Args:
        queries: what to choose from.
        count: how many; None, or as many as there are or more: all of them, in their order.
        seed: of the choice.
    """
    if count is None or count >= len(queries):
        return list(queries)
    return random.Random(seed).sample(queries, count)  # noqa: S311 - a sample, not a secret
