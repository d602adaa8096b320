"""The store in a PostgreSQL database, for several processors side by side."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import psycopg
from psycopg import errors

from .. import Delivery, Full
from .asking import AT_ONCE, Asking
from .connections import Connections
from .opening import explain, open_database
from .writing import write_deliveries

OF_THE_DATA = (psycopg.DataError, psycopg.IntegrityError, errors.ProgramLimitExceeded)
IN_EACH_OTHERS_WAY = (errors.DeadlockDetected, errors.SerializationFailure)
ATTEMPTS = 5


class PostgresStore(Asking):
    """A store in the database at `url`, in a schema of its own, which is made where it is missing.

    Any number of processes may use one database. One connection writes, and up to eight ask; a server
    that was started again is found again.

    Raises:
        StoreError: the database cannot be used; it was left as it is.
    """

    def __init__(self, url: str) -> None:
        parameters = open_database(url)
        super().__init__(url, Connections(parameters, AT_ONCE, reading=True))
        self._writing = Connections(parameters, 1, reading=False)

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new."""
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return self._write(deliveries)
                except IN_EACH_OTHERS_WAY:
                    if attempt == ATTEMPTS:
                        raise
                    time.sleep(random.uniform(0, 0.02 * 2**attempt))
        except errors.DiskFull as error:
            raise Full(str(explain(error, self._url))) from error
        except OF_THE_DATA:
            raise
        except psycopg.Error as error:
            raise explain(error, self._url) from error
        raise AssertionError("the last attempt returns or raises")

    def _write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        with self._writing.lend() as connection, connection.transaction():
            return write_deliveries(connection, deliveries)

    def check(self) -> None:
        """Raise StoreError if questions cannot be answered or nothing can be written."""
        with self._reading() as connection, connection.transaction():
            connection.execute("SET TRANSACTION READ WRITE")
            connection.execute("LOCK TABLE batch IN ROW EXCLUSIVE MODE")
            connection.execute("SELECT count(*) FROM batch WHERE key = ''")

    def close(self) -> None:
        """Let go of the database; after the last write, and once for all."""
        self._writing.close()
        self._asking.close()
