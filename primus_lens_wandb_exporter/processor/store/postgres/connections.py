"""Connections that are lent: as many as there are questions at one time, and no more than a few."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.types.string import StrDumper

from .arrays import take_arrays
from .opening import PATIENCE, SCHEMA, Connection

SETTINGS = {
    "search_path": SCHEMA,
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",  # its locks go with it
    "work_mem": "32MB",  # in which a page of points is sorted
    "jit": "off",  # takes longer than our statements
}
READING = {
    "default_transaction_read_only": "on",
    "plan_cache_mode": "force_custom_plan",  # of an optional condition, only what is asked
}
SET = (
    "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS setting (name, value)"
)


class Connections:
    """Up to `size` connections to one database, each in autocommit mode.

    Args:
        parameters: what libpq needs.
        reading: whether nothing may be written by them.
    """

    def __init__(self, parameters: Mapping[str, Any], size: int, *, reading: bool) -> None:
        self.parameters = parameters
        self._reading = reading
        self._places = threading.BoundedSemaphore(size)
        self._free: list[Connection] = []
        self._lent: set[Connection] = set()
        self._broken_off = self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Connection]:
        """Lend a connection that is well.

        Raises:
            psycopg.OperationalError: the server cannot be reached, or all are lent for too long.
        """
        if not self._places.acquire(timeout=PATIENCE):
            raise psycopg.OperationalError("timeout: all connections are in use")
        try:
            connection = self._take()
            self._lent.add(connection)
            try:
                if self._broken_off:
                    raise psycopg.OperationalError("the connection is closed")
                yield connection
            finally:
                self._lent.discard(connection)
                self._take_back(connection)
        finally:
            self._places.release()

    def break_off(self) -> None:
        """Cut those that are lent, and lend none any more; also where the server says nothing."""
        self._broken_off = True
        for connection in list(self._lent):
            # One that has just come back has no socket.
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as own,
            ):
                own.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close what is free now, and what is lent when it comes back."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    def _take(self) -> Connection:
        while True:
            try:
                connection = self._free.pop()
            except IndexError:
                return self._connect()
            self._lent.add(connection)  # already: the server may say nothing
            try:
                connection.execute("")  # it may have been started again
                return connection
            except psycopg.Error:
                self._lent.discard(connection)
                connection.close()

    def _take_back(self, connection: Connection) -> None:
        idle = connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        if self._closed or not idle:
            connection.close()
        else:
            self._free.append(connection)

    def _connect(self) -> Connection:
        connection = psycopg.connect(**self.parameters, autocommit=True)
        try:
            take_arrays(connection)
            connection.adapters.register_dumper(str, _Text)
            settings = {**SETTINGS, **(READING if self._reading else {})}
            connection.execute(SET, (list(settings), list(settings.values())))
        except BaseException:
            connection.close()
            raise
        return connection


class _Text(StrDumper):
    """Text without NUL, which PostgreSQL does not take."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\N{REPLACEMENT CHARACTER}"))
