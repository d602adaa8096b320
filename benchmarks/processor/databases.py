"""The databases that the processor may keep its points in, each new and empty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from primus_lens_wandb_exporter.processor.store import Store
from primus_lens_wandb_exporter.processor.store.location import open_store
from tests.support.served import Server, served

from . import bare
from .cores import SERVER, on_core


class Database:
    """A SQLite file in a folder, or one database of a PostgreSQL server.

    Attributes:
        loop: what a bare loop does there.
        least_rate: points a second, end to end.
        longest_answer: ms, to a question; None where we promise nothing.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self._folder, self._url = folder, url
        self.name, self.loop = ("PostgreSQL", "unnest") if url else ("SQLite", "executemany")
        self.least_rate = 80_000 if url else 120_000
        self.longest_answer = None if url else 100
        self._bare_files = 0

    def open(self) -> Store:
        """Open the store in this process."""
        return open_store(self._url or str(self._folder / "processor.db"))

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Serve it from a process of its own."""
        options = ["--db", self._url] if self._url else []
        with served(self._folder, *options) as server:
            yield server

    def bare_rate(self, seconds: float) -> float:
        """Return the points a second of a bare loop, on the server's core."""
        with on_core(SERVER):
            if self._url:
                return bare.postgres_rate(self._url, seconds)
            self._bare_files += 1
            path = self._folder / f"bare-{self._bare_files}.db"
            try:
                return bare.sqlite_rate(path, seconds)
            finally:
                path.unlink()

    def bytes(self) -> int:
        """Return what it takes on disk, while nothing serves it."""
        store = self.open()
        try:
            return store.sizes()["bytes"]
        finally:
            store.close()
