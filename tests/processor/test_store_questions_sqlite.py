"""What only SQLite's own tables can tell."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from .deliveries import delivery, detection


def test_a_record_of_two_deliveries_is_one_and_each_record_is_kept(tmp_path: Path) -> None:
    first, second = detection("a", 0.9, 10), detection("b", 0.8, 20)
    with closing(SqliteStore(tmp_path / "db")) as store:
        store.write([delivery("a", detections=[first]), delivery("b", detections=[first, second])])
    with closing(sqlite3.connect(tmp_path / "db")) as connection:
        assert connection.execute("SELECT count(*) FROM detection").fetchone() == (2,)
