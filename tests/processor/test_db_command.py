"""`primus-lens-wandb db`: what it says, what it gives back and what it writes, over real files."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from primus_lens_wandb_exporter.cli import main
from primus_lens_wandb_exporter.processor import export
from primus_lens_wandb_exporter.processor.db_command import human
from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support.scripts import REPOSITORY
from ..support.served import serve_environ, served
from .deliveries import curve, delivery, detection

TAGS = (("rank", "0"),)
POINTS = [*curve("loss", 30), *curve("loss", 5, tags=TAGS), *curve('a "b", c', 3)]
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a database: runs `r` and `other` of `w`, and `r` of `team/v`."""
    with closing(SqliteStore(tmp_path / "processor.db")) as store:
        store.write(
            [
                delivery("a", POINTS, detections=[detection("megatron", 0.9, 1, name="first")]),
                delivery("b", curve("lr", 4), run_id="other"),
                delivery("c", curve("lr", 7), workload="team/v", received=2000),
            ]
        )
    monkeypatch.setenv("PRIMUS_LENS_PROCESSOR_DB", str(tmp_path / "processor.db"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected() -> list[tuple[str, str, str, int, int, float]]:
    """What an export of run `r` of `w` holds."""
    rows = [
        (name, "wandb", json.dumps(dict(tags)), step, time, value)
        for name, step, time, value, tags in POINTS
    ]
    return sorted(rows)


def said(capsys: pytest.CaptureFixture[str], *command: str, status: int = 0) -> str:
    """Run a command and return what it wrote, where such a thing belongs."""
    assert main(["db", *command]) == status
    captured = capsys.readouterr()
    told, empty = (captured.err, captured.out) if status else (captured.out, captured.err)
    assert empty == ""
    return str(told)


def test_stats_are_a_table_or_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "stats").splitlines()
    assert lines[0] == str(folder / "processor.db")
    assert lines[1:8] == [
        "  workloads                 2",
        "  runs                      3",
        "  series                    5",
        "  points                   49",
        "  log entries               0",
        "  detections                1",
        "  batches                   3",
    ]
    assert [line.split()[-1] for line in lines[8:]] == ["KiB", "B"]
    assert len({len(line) for line in lines[1:8]}) == 1
    told = json.loads(said(capsys, "stats", "--json"))
    assert (told["points"], told["db"]) == (49, lines[0])


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 20, "1.0 MiB"), (5 << 50, "5120.0 TiB")],
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_vacuum_says_what_it_gave_back_beside_a_running_server(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(folder) as server:
        with closing(SqliteStore(folder / "processor.db")) as store:
            store.write([delivery("old", curve("x", 20_000), workload="old", received=1)])
            while store.forget(before=2, rows=10_000):
                pass
        told = said(capsys, "vacuum")
        assert server.get("/workloads")["total_count"] == 2
        assert server.stop() == 0
    assert told.endswith(" given back\n")
    assert " KiB of " in told
    assert (folder / "processor.db").stat().st_size < 200_000


def test_vacuum_never_gives_back_less_than_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = iter([{"bytes": 1024}, {"bytes": 4096}])
    monkeypatch.setattr(SqliteStore, "sizes", lambda store: next(sizes))
    assert said(capsys, "vacuum").endswith(": 0 B of 1.0 KiB given back\n")


def test_vacuum_beside_a_program_that_writes_for_long_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqliteStore(folder / "processor.db")) as store:
        monkeypatch.setattr("primus_lens_wandb_exporter.processor.store.sqlite.opening.PATIENCE", 0.1)
        store._writing.execute("BEGIN IMMEDIATE")
        told = said(capsys, "vacuum", status=1)
        store._writing.execute("ROLLBACK")
    assert "database is locked; another program holds it" in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("name", ["w/r", f"{run_id('w', 'r'):016x}"])
def test_csv_holds_every_point(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    told = said(capsys, "export", name)
    assert told.startswith("38 points of w/r in r.csv, ")
    with open(folder / "r.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["metric", "source", "tags", "step", "timestamp", "value"]
    assert [
        (metric, source, tags, int(step), round(float(time) * 1e6), float(value))
        for metric, source, tags, step, time, value in rows
    ] == expected()


def test_csv_goes_to_standard_output_whole_and_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "export", "other", "--format", "csv", "--output", "-")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["timestamp"] for row in rows] == ["0.000100", "0.000101", "0.000102", "0.000103"]
    assert not list(folder.glob("*.csv"))


def test_times_before_the_epoch_are_written_right() -> None:
    assert [export._seconds(time) for time in (-1, -1_500_000, 1_000_001)] == [
        "-0.000001",
        "-1.500000",
        "1.000001",
    ]


def test_parquet_read_back_equals_the_points(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pip install pyarrow")
    monkeypatch.setattr(export, "ROW_GROUP", 10)
    said(capsys, "export", "w/r", "--output", "points.parquet")
    assert parquet.ParquetFile("points.parquet").num_row_groups == 4
    found = [
        (*row.values(),)[:4] + ((row["timestamp"] - EPOCH) // timedelta(microseconds=1), row["value"])
        for row in parquet.read_table("points.parquet").to_pylist()
    ]
    assert found == expected()


def test_without_pyarrow_it_says_what_to_install(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    told = said(capsys, "export", "w/r", "--format", "parquet", status=1)
    assert told == (
        "primus-lens-wandb: pyarrow is missing: pip install 'primus-lens-wandb-exporter[parquet]', "
        "or say --format csv\n"
    )
    assert os.listdir(folder) == ["processor.db"]


def test_a_file_that_is_there_stays_unless_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.csv").write_text("precious")
    told = said(capsys, "export", "w/r", "--output", "mine.csv", status=1)
    assert "mine.csv is there already" in told
    assert (folder / "mine.csv").read_text() == "precious"
    said(capsys, "export", "w/r", "--output", "mine.csv", "--force")
    assert (folder / "mine.csv").read_text().count("\n") == 39


def test_an_export_that_fails_leaves_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: SqliteStore, run: int) -> Iterator[Any]:
        yield "loss", "wandb", "{}", 0, 0, 0.0
        raise KeyboardInterrupt

    monkeypatch.setattr(SqliteStore, "export", half)
    assert said(capsys, "export", "w/r", status=130) == "primus-lens-wandb: interrupted\n"
    assert os.listdir(folder) == ["processor.db"]


@pytest.mark.parametrize(
    ("output", "reason"),
    [("no/such/x.csv", "No such file or directory"), (".", "is a folder"), ("/dev/null/x", "directory")],
)
def test_what_cannot_be_written_is_said_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str, reason: str
) -> None:
    told = said(capsys, "export", "w/r", "--output", output, status=1)
    assert reason in told
    assert told.count("\n") == 1


def test_a_run_that_is_not_there_is_answered_with_those_that_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "export", "nope", status=1).splitlines()
    assert lines[0] == "primus-lens-wandb: there is no run 'nope'; there are, seen last:"
    assert lines[1] == f"  {run_id('team/v', 'r'):016x}  team/v/r"
    assert f"  {run_id('w', 'r'):016x}  w/r  first" in lines[2:]


def test_a_run_id_of_several_workloads_is_asked_about(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said(capsys, "export", "r", status=1).splitlines()
    assert lines[0] == "primus-lens-wandb: 'r' may be any of these, so say which:"
    assert {line.split()[1] for line in lines[1:]} == {"w/r", "team/v/r"}
    assert said(capsys, "export", "team/v/r").startswith("7 points of team/v/r in r.csv")


def test_any_name_can_be_asked_for_and_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(SqliteStore(folder / "processor.db")) as store:
        store.write([delivery("odd", curve("x", 2), run_id="../\x1b[31m ü")])
    told = said(capsys, "export", "\udcff", status=1)
    assert "w/../?[31m ü" in told
    assert "\x1b" not in told
    key = f"{run_id('w', '../' + chr(27) + '[31m ü'):016x}"
    assert said(capsys, "export", key).startswith("2 points of w/../?[31m ü in ")
    assert [name for name in os.listdir(folder) if name.endswith(".csv")] == ["___31m_ü.csv"]


def test_a_database_that_is_not_there_is_not_made(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = said(capsys, "stats", "--db", "other.db", status=1)
    assert told == (
        f"primus-lens-wandb: there is no database {folder / 'other.db'}; choose one with --db\n"
    )
    assert os.listdir(folder) == ["processor.db"]


def test_a_reader_that_leaves_early_sees_no_traceback(folder: Path) -> None:
    with closing(SqliteStore(folder / "processor.db")) as store:
        store.write([delivery("long", curve("x", 50_000), run_id="long")])
    process = subprocess.Popen(
        [sys.executable, "-m", "primus_lens_wandb_exporter", "db", "export", "long", "--output", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**serve_environ(), "PRIMUS_LENS_PROCESSOR_DB": str(folder / "processor.db")},
        cwd=REPOSITORY,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"metric,source,tags,step,timestamp,value\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1
    process.stderr.close()
