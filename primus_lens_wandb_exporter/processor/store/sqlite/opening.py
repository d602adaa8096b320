"""Opening a SQLite file: ours or new, brought to the newest schema; anything else is left as it is."""

from __future__ import annotations

import importlib.resources
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from .. import StoreError

APPLICATION = 0x504C5450  # "PLTP" in the file's header says that it is ours
PATIENCE = 10  # seconds to wait for another process


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create the database at `path`, with the newest schema.

    Raises:
        StoreError: it cannot be opened, is damaged or not ours, or is from a newer version; nothing was
            written then.
    """
    _look_for_remains(path)
    try:
        connection = connect(path, "rwc")
    except sqlite3.Error as error:
        raise explain(error, path) from error
    try:
        _migrate(connection, path)
        _use_write_ahead_log(connection, path)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")  # bytes
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise explain(error, path) from error
        raise
    return connection


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """Return a connection that begins and commits nothing by itself and may go from thread to thread.

    Mode `rwc` makes the file where it is missing.
    """
    if mode == "rwc":
        try:  # it holds configs and environments: for this user alone
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError:  # is explained below
            pass
    address = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        address, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=True
    )
    connection.execute("PRAGMA temp_store = MEMORY")  # a pod may have nowhere to put temporary files
    return connection


def explain(error: sqlite3.Error, path: Path) -> StoreError:
    """Return the error that tells an operator what to do."""
    text = str(error)
    if not path.parent.is_dir():
        advice = f"make the folder {path.parent} or choose another place with --db"
    elif "unable to open" in text or "readonly" in text:
        advice = "this user needs to be able to write the file and its folder"
    elif "not a database" in text or "malformed" in text:
        advice = "it is damaged or another program's; move it away or choose another file with --db"
    elif "full" in text:
        advice = "make room on its disk"
    elif "locked" in text:
        advice = "another program holds it; end that, or choose another file with --db"
    else:
        advice = "look after the disk it is on"
    return StoreError(f"cannot use the database {path}: {text}; {advice}")


def _look_for_remains(path: Path) -> None:
    """Raise StoreError where a database is gone but not its log, which SQLite would then remove."""
    log = path.with_name(path.name + "-wal")
    if _size(log) and not _size(path):  # in this order: another process may be making them
        raise StoreError(
            f"cannot use the database {path}: it is empty while {log} is not; it is damaged; "
            "bring it back, or move both away, or choose another file with --db"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Apply what is missing, all in one transaction; of two processes that start at once one does it."""
    scripts = _scripts()
    try:
        connection.execute("BEGIN")  # so that what is read is of one moment
        version = _version(connection, path, len(scripts))
        connection.execute("COMMIT")
        if version == len(scripts):
            return
        connection.execute("BEGIN EXCLUSIVE")
        for script in scripts[_version(connection, path, len(scripts)) :]:
            for statement in _statements(script):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(scripts)}")
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """End the transaction that failed, where SQLite has not done so itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return how many migrations the database has had.

    Raises:
        StoreError: it is another program's, or from a newer version than this.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise StoreError(
            f"cannot use the database {path}: it is another program's; choose another file with --db"
        )
    if version > newest:
        raise StoreError(
            f"cannot use the database {path}: its schema is {version} and this version knows {newest}; "
            "upgrade primus-lens-wandb-exporter or choose another file with --db"
        )
    return int(version)


def _scripts() -> list[str]:
    """Return the migrations by number; they are numbered from 1 without a gap."""
    folder = importlib.resources.files(__package__) / "migrations"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [file.read_text(encoding="utf-8") for file in files]


def _statements(script: str) -> Iterator[str]:
    """Split a script, because `executescript` would commit first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    """Let readers and the writer go side by side; the file remembers it.

    SQLite does not wait for a lock here, however long the connection's timeout (sqlite.org/wal.html).
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    if mode != "wal":
        raise StoreError(
            f"cannot use the database {path}: its file system has no shared memory; "
            "choose a local disk with --db"
        )
