"""The store in a PostgreSQL database, for several processors side by side."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import Callable, TypeVar

import psycopg
from psycopg import errors

from .. import Delivery, Full, StoreError, Thinned
from ..rows import read_in_pages
from . import upkeep
from .asking import AT_ONCE, Asking
from .connections import Connections
from .opening import Connection, explain, open_database
from .writing import write_deliveries

OF_THE_DATA = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)
IN_EACH_OTHERS_WAY = (errors.DeadlockDetected, errors.SerializationFailure)
ATTEMPTS = 5
WRITABLE = """
SELECT 1
WHERE current_setting('transaction_read_only') = 'off' AND has_table_privilege('batch', 'INSERT')
"""

_Result = TypeVar("_Result")


class PostgresStore(Asking):
    """A store in the database at `url`, in a schema of its own, which is made where it is missing.

    Any number of processes may use one database. One connection writes, up to eight ask, and one
    looks after it; a server that was started again is found again.

    Raises:
        StoreError: the database cannot be used; it was left as it is.
    """

    def __init__(self, url: str) -> None:
        parameters = open_database(url)
        super().__init__(url, Connections(parameters, AT_ONCE, reading=True))
        self._writing = Connections(parameters, 1, reading=False)
        self._checking = Connections(parameters, 1, reading=False)  # all others may be busy

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new."""
        return self._change(lambda connection: write_deliveries(connection, deliveries))

    def forget(self, before: int, rows: int) -> int:
        """Remove about `rows` rows of workloads that were not seen since; 0 also while another does."""
        return self._keep(lambda connection: upkeep.forget(connection, before, rows), 0)

    def thin(self, before: int, keep: int, rows: int) -> Thinned:
        """Thin out about `rows` points of ended runs not seen since; none also while another does."""
        return self._keep(lambda connection: upkeep.thin(connection, before, keep, rows), Thinned(0, 0))

    def prune(self, batches: int, changes: int, rows: int) -> int:
        """Remove about `rows` older keys of batches, and changes; 0 also while another does."""
        return self._keep(lambda connection: upkeep.prune(connection, batches, changes, rows), 0)

    def sizes(self) -> dict[str, int]:
        """Return how much there is."""
        with self._reading() as connection:
            return upkeep.sizes(connection)

    def vacuum(self) -> None:
        """Let the room of what was removed be used again; nobody waits."""
        own = Connections(self._writing.parameters, 1, reading=False)
        try:
            with own.lend() as connection:
                upkeep.vacuum(connection)
        except psycopg.Error as error:
            raise self._trouble(error) from error
        finally:
            own.close()

    def export(self, run: int) -> Iterator[tuple[str, str, str, int, int, float]]:
        """Yield (metric, source, tags as JSON, step, timestamp, value) of a run's points, in order."""
        return read_in_pages(self._reading, upkeep.series_of, upkeep.page_of, run)

    def check(self) -> None:
        """Raise StoreError if questions cannot be answered or nothing can be written."""
        try:
            with self._checking.lend() as connection:
                if not connection.execute(WRITABLE).fetchone():
                    raise psycopg.OperationalError("it is read-only")
        except psycopg.Error as error:
            raise explain(error, self._url) from error

    def stop_answering(self) -> None:
        """Break off the questions that go on, and refuse those that come."""
        super().stop_answering()
        self._checking.break_off()

    def close(self) -> None:
        """Let go of the database; after the last write, and once for all."""
        for connections in (self._writing, self._checking, self._asking):
            connections.close()

    def _change(self, act: Callable[[Connection], _Result]) -> _Result:
        """Do something in one transaction, again where others were in its way.

        Raises:
            Full: there is no room.
            StoreError: the database cannot be used.
        """
        try:
            for attempt in range(1, ATTEMPTS):
                try:
                    return self._act(act)
                except IN_EACH_OTHERS_WAY:
                    time.sleep(random.uniform(0, 0.02 * 2**attempt))
            return self._act(act)
        except OF_THE_DATA:
            raise
        except psycopg.Error as error:
            raise self._trouble(error) from error

    def _act(self, act: Callable[[Connection], _Result]) -> _Result:
        with self._writing.lend() as connection, connection.transaction():
            return act(connection)

    def _keep(self, act: Callable[[Connection], _Result], nothing: _Result) -> _Result:
        return self._change(
            lambda connection: act(connection) if upkeep.may_keep(connection) else nothing
        )

    def _trouble(self, error: psycopg.Error) -> Full | StoreError:
        explained = explain(error, self._url)
        return Full(str(explained)) if isinstance(error, errors.DiskFull) else explained
