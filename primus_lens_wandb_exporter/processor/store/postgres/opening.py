"""Opening a PostgreSQL database: a schema of our own in it, brought to the newest version.

Our own, because a database is often shared: what others keep there is neither seen nor touched, it may
belong to an ordinary user (who may make nothing in `public`, from PostgreSQL 15 on), and removing it all
is one statement.
"""

from __future__ import annotations

import importlib.resources
import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from .. import StoreError
from ..location import show

Connection = psycopg.Connection[tuple[Any, ...]]

SCHEMA = "primus_lens"
OLDEST = 15  # version of PostgreSQL
LOCK = 0x504C5450  # "PLTP": whose advisory locks these are
MIGRATING, NUMBERING, KEEPING = range(3)
PATIENCE = 10  # seconds to wait for a connection
USUAL = {  # of what libpq knows
    "application_name": "primus-lens-wandb",
    "connect_timeout": PATIENCE,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}
LIBPQ_ASKS = re.compile(r" Is the server running [^?]*\?")  # which the advice does, once
ADVICE = (  # of what PostgreSQL says, in its own order
    ("password", "give user and password in PGPASSWORD, ~/.pgpass or the URL"),
    ("authentication", "give user and password in PGPASSWORD, ~/.pgpass or the URL"),
    ("pg_hba.conf", "let this user and machine in by the server's pg_hba.conf"),
    ("permission denied for database", f"an owner may CREATE SCHEMA {SCHEMA} AUTHORIZATION its user"),
    ("permission denied", f"the schema {SCHEMA} must belong to this user"),
    ('role "', "make the user (createuser) or name another with --db"),
    ('database "', "make it (createdb) or choose another with --db"),
    ("too many", "let the server take more connections"),
    ("read-only", "name the primary server with --db"),
    ("recovery", "name the primary server with --db"),
    ("extend file", "make room on the server's disk"),
    ("No space", "make room on the server's disk"),
    ("timeout", "look after the server's load, and who holds its locks"),
    ('relation "', f"its schema {SCHEMA} was dropped; start the processors again, which make it anew"),
    ("failed", "is the server running, and can this machine reach it?"),
    ("lost", "is the server running, and can this machine reach it?"),
    ("closed", "is the server running, and can this machine reach it?"),
)


def read_url(url: str) -> dict[str, Any]:
    """Return the parameters of a connection.

    Raises:
        StoreError: libpq does not understand the URL; what it says may hold the password.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreError(
            f"cannot use the database {show(url)}: expected "
            "postgresql://user:password@host:port/database, with what libpq knows behind a ?"
        ) from None
    return {**USUAL, **given, "client_encoding": "UTF8"}


def open_database(url: str) -> dict[str, Any]:
    """Bring the database to the newest schema, and return the parameters for further connections.

    Raises:
        StoreError: it cannot be reached, or is not ours, or is from a newer version; nothing was
            written then.
    """
    parameters = read_url(url)
    try:
        with psycopg.connect(**parameters) as connection:
            _examine(connection, url)
            _migrate(connection, url)
    except psycopg.Error as error:
        raise explain(error, url) from error
    return parameters


def explain(error: psycopg.Error, url: str) -> StoreError:
    """Return the error that tells an operator what to do."""
    said = error.diag.message_primary or str(error)  # without the statement, where the server says it
    text = LIBPQ_ASKS.sub("", " ".join(said.split())) or type(error).__name__
    advice = next((advice for word, advice in ADVICE if word in text), "look after the server")
    return StoreError(f"cannot use the database {show(url)}: {text}; {advice}")


def _examine(connection: Connection, url: str) -> None:
    if connection.info.server_version < OLDEST * 10_000:
        found = connection.info.server_version // 10_000
        raise StoreError(
            f"cannot use the database {show(url)}: PostgreSQL {OLDEST} or newer is needed, it is {found}"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"cannot use the database {show(url)}: its encoding is {encoding}; "
            "make one with createdb --encoding UTF8 --template template0"
        )


def _migrate(connection: Connection, url: str) -> None:
    """Apply what is missing, all in one transaction; of replicas that start at once one does it."""
    scripts = _scripts()
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (LOCK, MIGRATING))
    version = _version(connection, url, len(scripts))
    if version == len(scripts):
        return
    if not version and not _has(connection, "to_regnamespace", SCHEMA):
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    connection.execute(f"SET LOCAL search_path = {SCHEMA}")
    if not version:
        connection.execute(
            "CREATE TABLE schema_version (version BIGINT PRIMARY KEY, applied TIMESTAMPTZ)"
        )
    for number, script in enumerate(scripts[version:], version + 1):
        connection.execute(script)
        connection.execute("INSERT INTO schema_version VALUES (%s, now())", (number,))


def _version(connection: Connection, url: str, newest: int) -> int:
    """Return how many migrations the schema has had, 0 if it is missing or empty.

    Raises:
        StoreError: it is another program's, or from a newer version than this.
    """
    if not _has(connection, "to_regclass", f"{SCHEMA}.schema_version"):
        tables = "SELECT FROM pg_class WHERE relnamespace = to_regnamespace(%s) LIMIT 1"
        if connection.execute(tables, (SCHEMA,)).fetchone() is not None:
            raise StoreError(
                f"cannot use the database {show(url)}: its schema {SCHEMA} is another program's; "
                "choose another database with --db"
            )
        return 0
    row = connection.execute(f"SELECT coalesce(max(version), 0) FROM {SCHEMA}.schema_version").fetchone()
    version = int(row[0]) if row else 0
    if version > newest:
        raise StoreError(
            f"cannot use the database {show(url)}: its schema is {version} and this version knows "
            f"{newest}; upgrade primus-lens-wandb-exporter or choose another database with --db"
        )
    return version


def _has(connection: Connection, function: str, name: str) -> bool:
    row = connection.execute(f"SELECT {function}(%s) IS NOT NULL", (name,)).fetchone()
    return bool(row and row[0])


def _scripts() -> list[bytes]:
    """Return the migrations by number; they are numbered from 1 without a gap."""
    folder = importlib.resources.files(__package__) / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [file.read_bytes() for file in files]
