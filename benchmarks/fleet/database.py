"""The database of a fleet's processors: what is in it, and what that takes on the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from tests.support.postgres import ask_postgres

_TABLES = ("point", "a point"), ("batch", "the key of a body")
_OF_POSTGRES = (
    "SELECT pg_total_relation_size('{0}') + coalesce(sum(pg_total_relation_size(inhrelid)), 0) "
    "FROM pg_inherits WHERE inhparent = '{0}'::regclass"  # the parts of a table that is in parts
)
_OF_SQLITE = (
    "SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = '{}')"
)
_LOG = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"


def ask(database: str, question: str) -> list[tuple[Any, ...]]:
    """Return the rows of a question."""
    if is_postgres(database):
        return ask_postgres(database, question)
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(question).fetchall()


def is_postgres(database: str) -> bool:
    """Return whether that is a URL of PostgreSQL, else a file of SQLite."""
    return database.startswith("postgresql://")


def sizes(database: str) -> Iterator[tuple[str, float]]:
    """Yield what takes how many bytes, indexes and the room in their pages included."""
    total = _OF_POSTGRES if is_postgres(database) else _OF_SQLITE
    for table, what in _TABLES:
        ((size,),) = ask(database, total.format(table))
        ((count,),) = ask(database, f"SELECT count(*) FROM {table}")
        yield what, float(size) / max(1, count)


def log_written(database: str) -> float:
    """Return how many bytes PostgreSQL has written to its log (WAL) in its life."""
    ((position,),) = ask(database, _LOG)
    return float(position)
