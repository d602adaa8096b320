"""The store in one SQLite file, beside which nothing need be installed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from .. import Delivery, Full, StoreError
from .asking import Asking
from .opening import explain, open_database, roll_back
from .writing import write_deliveries

OF_THE_DATA = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)  # not of the file


class SqliteStore(Asking):
    """A store in the SQLite file at `path`, which is made where it is missing; its folder is not.

    One connection writes, and no question waits for it.

    A process that is killed loses nothing that `write` has answered; a machine that loses power may lose
    what was written since the last checkpoint, some 4 MiB, and is whole without (sqlite.org/wal.html).

    Raises:
        StoreError: the file cannot be used; it was left as it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(Path(path).absolute())
        self._writing = open_database(self._path)
        self._writing.execute("PRAGMA cache_size = -65536")  # KiB
        self._file = _identify(self._path)

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new. For one thread."""
        self._look_at_file()
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            answers = write_deliveries(self._writing, deliveries)
            self._writing.execute("COMMIT")
        except BaseException as error:
            roll_back(self._writing)
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                raise Full(f"no room for the database {self._path}") from error
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, OF_THE_DATA):
                raise explain(error, self._path) from error
            raise
        return answers

    def check(self) -> None:
        """Raise StoreError if questions cannot be answered; the writer is not disturbed."""
        self._look_at_file()
        with self._reading() as connection:
            connection.execute("SELECT count(*) FROM batch WHERE key = ''").fetchone()

    def _look_at_file(self) -> None:
        """Raise StoreError if the file was removed or replaced: what is written would be lost."""
        if _identify(self._path) != self._file:
            raise StoreError(f"{self._path}: was removed or replaced meanwhile; start again")

    def close(self) -> None:
        """Let go of the database; after the last write, and once for all."""
        super().close()
        self._writing.close()


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
