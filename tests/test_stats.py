"""Statistics: the account that a process gives of itself, inside it and from outside."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug import Request, Response

from primus_lens_wandb_exporter import guard, stats_files
from primus_lens_wandb_exporter.delivery import route, worker
from primus_lens_wandb_exporter.exporter import Exporter
from primus_lens_wandb_exporter.payloads import LogCall
from primus_lens_wandb_exporter.settings import load
from primus_lens_wandb_exporter.stats_files import StatsFile

from .support.delivery import wait_until
from .support.processor import Point, Processor
from .support.runs import StandInRun
from .support.scripts import ScriptRunner

RUN = StandInRun()


@pytest.fixture
def exporter(
    processor: Processor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Exporter]:
    """An exporter of this process that retries at once."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(route, "SPACING", 0.0)
    monkeypatch.setattr(route, "_LONGEST_BACKOFF", 0.005)
    environ = {
        "WORKLOAD_UID": "workload-1",
        "PRIMUS_LENS_API_BASE_URL": processor.url,
        "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.05",
    }
    exporter = Exporter(load(environ))
    yield exporter
    exporter.shutdown()


def pending(exporter: Exporter) -> int:
    return sum(exporter.stats()["pending"].values())


def test_the_fields_are_plain_json_before_anything_happened(exporter: Exporter) -> None:
    stats = exporter.stats()
    assert json.loads(json.dumps(stats)) == stats
    for field in ("detection_sent", "metrics_sent", "logs_sent", "errors", "retries"):
        assert stats[field] == 0
    zero = {"detection": 0, "metrics": 0, "logs": 0}
    assert stats["accepted"] == stats["sent"] == stats["pending"] == zero
    assert stats["dropped"] == {"detection": {}, "metrics": {}, "logs": {}}
    assert (stats["skipped"], stats["last_error"], stats["last_success"]) == ({}, None, None)
    assert exporter.worker.thread is None


def test_the_fields_tell_what_happened(exporter: Exporter, processor: Processor) -> None:
    answers = [Response("out of order", 500)]
    processor.answer = lambda request: answers.pop() if answers else None
    exporter.announce(RUN)
    exporter.record(*LogCall("run-1", 1.7e9, 0, {"a": 1.0, "b": 2.0}, {"note": "x"}))
    exporter.skip("Image", 2)
    exporter.skip("Image", 1)
    wait_until(lambda: not pending(exporter))
    stats = exporter.stats()
    assert json.loads(json.dumps(stats)) == stats
    assert (stats["detection_sent"], stats["metrics_sent"], stats["logs_sent"]) == (1, 2, 1)
    assert stats["accepted"] == {"detection": 1, "metrics": 2, "logs": 1}
    assert stats["skipped"] == {"Image": 3}
    assert (stats["errors"], stats["retries"]) == (1, 1)
    assert stats["last_error"] == "500 out of order"
    assert 1.7e9 < stats["last_success"] <= stats["time"]
    assert stats["pid"] == os.getpid()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_processor_answers_every_point_is_stored_once_or_lost_for_a_reason(
    exporter: Exporter, processor: Processor, seed: int
) -> None:
    """It fails at random, takes no more than seven points at once, and never a poisoned one."""
    dice = random.Random(seed)

    def answer(request: Request) -> Response | None:
        body = request.get_json()
        if dice.random() < 0.3:
            status = dice.choice([429, 500, 503])
            return Response("", status, headers={"Retry-After": "0"} if status == 429 else {})
        points = body.get("metrics", [])
        if len(points) > 7:
            return Response("too large", 413)
        if any(point["name"] == "poison" for point in points):
            return Response("invalid request format", 400)
        return None

    processor.answer = answer
    exporter.announce(RUN)
    harmless: set[Point] = set()
    threads = [threading.Thread(target=_log, args=(exporter, f"run-{i}", harmless)) for i in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert min(exporter.stats()["pending"].values()) >= 0
    wait_until(lambda: not pending(exporter))
    stats = exporter.stats()
    assert sorted(processor.points) == sorted(harmless)
    assert stats["metrics_sent"] == len(processor.points) == 3 * 40 * 2
    assert stats["dropped"] == {"detection": {}, "metrics": {"http_400": 3 * 4}, "logs": {}}
    assert stats["accepted"]["metrics"] == 3 * (40 * 2 + 4)
    assert stats["logs_sent"] == len(processor.log_entries) == 3 * 40
    assert stats["detection_sent"] == len(processor.detections) == 1
    assert stats["errors"] == processor.refused > 0


def _log(exporter: Exporter, run_id: str, harmless: set[Point]) -> None:
    for i in range(40):
        metrics = {"a": float(i), "b": -float(i)}
        harmless.update(Point(run_id, name, i, value) for name, value in metrics.items())
        if i % 10 == 5:
            metrics["poison"] = 1.0
        exporter.record(*LogCall(run_id, 1.7e9, i, metrics, {"note": str(i)}))


def test_what_cannot_be_delivered_at_exit_is_counted(exporter: Exporter, processor: Processor) -> None:
    processor.answer = lambda request: Response("", 503, headers={"Retry-After": "100"})
    exporter.record(*LogCall("run-1", 1.7e9, 0, {"a": 1.0, "b": 2.0}, {}))
    wait_until(lambda: exporter.stats()["errors"])
    object.__setattr__(exporter.settings, "shutdown_timeout", 0.1)
    exporter.shutdown()
    stats = exporter.stats()
    assert stats["dropped"]["metrics"] == {"shutdown": 2}
    assert stats["pending"]["metrics"] == 0
    exporter.record(*LogCall("run-1", 1.7e9, 1, {"late": 1.0}, {}))
    assert exporter.stats()["dropped"]["metrics"] == {"shutdown": 3}


def test_where_no_thread_can_be_had_everything_is_counted_and_sent_once_it_can(
    exporter: Exporter, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    usual = threading.stack_size(1 << 46)  # more than there is: no thread can start
    try:
        for i in range(3):
            with guard.boundary:
                exporter.record(*LogCall("run-1", 1.7e9, i, {"a": float(i)}, {"note": "x"}))
    finally:
        threading.stack_size(usual)
    assert exporter.worker.thread is None
    stats = exporter.stats()
    assert stats["accepted"] == stats["pending"] == {"detection": 0, "metrics": 3, "logs": 3}
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_STARTS", 0.0)
    exporter.record(*LogCall("run-1", 1.7e9, 3, {"a": 3.0}, {}))
    wait_until(lambda: not pending(exporter))
    assert processor.series("a") == [(i, float(i)) for i in range(4)]
    assert len(processor.log_entries) == 3


# From outside the process.


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first place for statistics; there is one more."""
    folders = [str(tmp_path / "first"), str(tmp_path / "second")]
    monkeypatch.setattr(stats_files, "candidate_folders", lambda: folders)
    return tmp_path / "first"


def published() -> StatsFile:
    file = StatsFile()
    file.write({"pid": os.getpid(), "metrics_sent": 7})
    return file


def test_statistics_are_found_until_they_are_removed(folder: Path) -> None:
    file = published()
    assert [stats["metrics_sent"] for stats in stats_files.read_all()] == [7]
    file.write({"pid": os.getpid(), "metrics_sent": 8})
    assert [stats["metrics_sent"] for stats in stats_files.read_all()] == [8]
    file.remove()
    assert stats_files.read_all() == []
    assert list(folder.iterdir()) == []


def test_the_folder_and_the_file_are_the_users_alone(folder: Path) -> None:
    before = os.umask(0)
    try:
        published()
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    (file,) = folder.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    published()
    assert list(folder.iterdir()) == []
    assert len(stats_files.read_all()) == 1
    for file in (folder.parent / "second").iterdir():
        file.rename(folder / file.name)
    assert stats_files.read_all() == []


def test_a_link_in_place_of_the_folder_is_refused(folder: Path) -> None:
    trap = folder.parent / "trap"
    trap.mkdir(mode=0o700)
    folder.symlink_to(trap)
    published()
    assert list(trap.iterdir()) == []
    assert len(stats_files.read_all()) == 1


def test_a_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(mode=0o700)
    assert stats_files.is_private(str(folder))
    stranger = os.getuid() + 1
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    assert not stats_files.is_private(str(folder))


def test_each_user_has_a_folder_of_a_name_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mine = stats_files.candidate_folders()
    assert mine[0].startswith(f"{tmp_path}/")
    monkeypatch.setattr(os, "getuid", lambda: 123456789)
    assert not set(mine) & set(stats_files.candidate_folders())


def test_files_of_dead_processes_are_removed(folder: Path) -> None:
    published()
    (file,) = folder.iterdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = json.loads(file.read_text())
    (folder / f"{dead.pid}.json").write_text(json.dumps({**left, "pid": dead.pid}))
    assert [stats["pid"] for stats in stats_files.read_all()] == [os.getpid()]
    assert list(folder.iterdir()) == [file]


def test_a_pid_that_came_back_as_another_process_is_not_mistaken(folder: Path) -> None:
    published()
    (file,) = folder.iterdir()
    stats = json.loads(file.read_text())
    file.write_text(json.dumps({**stats, "started": "1"}))
    assert stats_files.read_all() == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"pid": "x", "started": "1"}', "\xff"])
def test_a_file_that_makes_no_sense_is_passed_over(folder: Path, text: str) -> None:
    published()
    (folder / "1.json").write_text(text, encoding="latin-1")
    assert [stats["pid"] for stats in stats_files.read_all()] == [os.getpid()]


def test_removing_statistics_that_a_cleaner_took_is_no_error(folder: Path) -> None:
    file = published()
    for path in folder.iterdir():
        path.unlink()
    file.remove()


def test_without_a_folder_there_are_no_statistics_and_everything_else(
    exporter: Exporter,
    processor: Processor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(stats_files, "candidate_folders", lambda: [str(tmp_path / "file" / "folder")])
    with pytest.raises(OSError, match="folder"):
        published()
    monkeypatch.setattr("primus_lens_wandb_exporter.herald._SECONDS_BETWEEN", 0.0)
    exporter.record(*LogCall("run-1", 1.7e9, 0, {"a": 1.0}, {}))
    wait_until(lambda: exporter.herald.file is None)
    exporter.record(*LogCall("run-1", 1.7e9, 1, {"a": 2.0}, {}))
    wait_until(lambda: not pending(exporter))
    assert processor.series("a") == [(0, 1.0), (1, 2.0)]
    assert stats_files.read_all() == []


def test_a_process_can_be_read_from_outside_while_it_lives_and_not_after(
    scripts: ScriptRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = scripts.run(
        """
        import os, subprocess, sys, time
        import primus_lens_wandb_exporter, wandb
        run = wandb.init()
        run.log({"a": 1})
        reader = (
            "import json; from primus_lens_wandb_exporter.stats_files import read_all;"
            "print(json.dumps(read_all()))"
        )
        root = os.path.dirname(os.path.dirname(primus_lens_wandb_exporter.__file__))
        for attempt in range(100):
            seen = subprocess.check_output([sys.executable, "-S", "-c", reader], cwd=root, text=True)
            if '"metrics_sent": 1,' in seen:
                break
            time.sleep(0.05)
        print("SEEN", os.getpid(), seen)
        """,
        environ={"PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.2"},
    )
    _, pid, seen = finished.stdout.split(maxsplit=2)
    (stats,) = [one for one in json.loads(seen) if one["pid"] == int(pid)]
    assert stats["workload_uid"] == "workload-1"
    assert stats["metrics_sent"] == 1
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert stats_files.candidate_folders()[0].startswith(str(tmp_path / "tmp"))
    assert not list(Path(stats_files.candidate_folders()[0]).iterdir())
