"""Which files the SQLite store takes, and what it says of the others."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store import StoreError
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from .deliveries import curve, delivery

OPEN = (
    "import sys; from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore;"
    "print('ready', flush=True); sys.stdin.read(1); SqliteStore(sys.argv[1]).close(); print('open')"
)


def make(path: Path) -> Path:
    with closing(SqliteStore(path)) as store:
        store.write([delivery("a", curve("loss", 2000))])
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*")}


def refusal(path: Path) -> str:
    """Return what is said of a refused file, which must stay as it is, with nothing beside it."""
    before = snapshot(path.parent)
    with pytest.raises(StoreError, match=str(path)) as caught:
        SqliteStore(path)
    assert snapshot(path.parent) == before
    return str(caught.value)


def run_sql(path: Path, statement: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()
    return path


def test_what_was_stored_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    with closing(SqliteStore(make(tmp_path / "odd name?#%.db"))) as store:
        assert store.sources("w") == [{"name": "wandb", "count": 2000}]
        assert store.write([delivery("a")]) == [False]


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(SqliteStore("db")) as store:
        monkeypatch.chdir("/")
        assert store.runs(0)["runs"] == []


def test_readers_do_not_wait_for_the_writer(tmp_path: Path) -> None:
    path = make(tmp_path / "db")
    with closing(SqliteStore(path)) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert store.sources("w") == [{"name": "wandb", "count": 2000}]


def test_processes_that_open_a_new_database_at_once_all_get_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "db")]
    pipes = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    racers = [subprocess.Popen(command, **pipes) for _ in range(4)]  # type: ignore[call-overload]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("x")
        racer.stdin.flush()
    assert [racer.communicate() for racer in racers] == [("open\n", "")] * 4
    make(tmp_path / "db")


def test_a_missing_folder_is_said_and_not_made(tmp_path: Path) -> None:
    assert "make the folder" in refusal(tmp_path / "none" / "db")


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="needs to be able to write"):
        SqliteStore(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    assert "schema is 999" in refusal(run_sql(make(tmp_path / "db"), "PRAGMA user_version = 999"))


@pytest.mark.parametrize("statement", ["CREATE TABLE cookies (name)", "PRAGMA user_version = 1"])
def test_the_database_of_another_program_is_refused(tmp_path: Path, statement: str) -> None:
    assert "another program's" in refusal(run_sql(tmp_path / "db", statement))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_bytes(b"epoch,loss\n" * 500)
    assert "not a database" in refusal(tmp_path / "db")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    os.truncate(make(tmp_path / "db"), 3 * 4096)
    assert "damaged" in refusal(tmp_path / "db")


def test_damage_within_is_said_by_the_question_that_meets_it(tmp_path: Path) -> None:
    path = make(tmp_path / "db")
    with closing(sqlite3.connect(path)) as connection:
        roots = [page for (page,) in connection.execute("SELECT rootpage FROM sqlite_master")]
    data = bytearray(path.read_bytes())
    for page in roots:  # of tables, not of what describes them
        data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with closing(SqliteStore(path)) as store:
        with pytest.raises(StoreError, match="damaged"):
            store.points("w")
        with pytest.raises(StoreError, match="damaged"):
            store.write([delivery("b", curve("loss", 2000))])


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of root's, and to be nobody meanwhile; a user that is not root stays what it is."""
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), os.geteuid() == 0
        make(folder / "db")
        (folder / "db").chmod(0o444)
        folder.chmod(0o555)
        if root:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


def test_a_file_that_may_not_be_written_is_refused() -> None:
    with unprivileged() as folder:
        assert "needs to be able to write" in refusal(folder / "db")
        assert "needs to be able to write" in refusal(folder / "new")


def test_a_store_that_can_be_asked_and_written_to_is_well(tmp_path: Path) -> None:
    with closing(SqliteStore(make(tmp_path / "db"))) as store:
        store.check()
        assert store.write([delivery("b")]) == [True]


def test_a_store_whose_file_has_gone_is_not_well(tmp_path: Path) -> None:
    with closing(SqliteStore(make(tmp_path / "db"))) as store:
        for file in tmp_path.iterdir():
            file.unlink()
        with pytest.raises(StoreError, match="removed or replaced"):
            store.check()
        with pytest.raises(StoreError, match="removed or replaced"):
            store.write([])


def test_a_store_is_for_its_user_alone(tmp_path: Path) -> None:
    with closing(SqliteStore(make(tmp_path / "db"))):
        assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}
