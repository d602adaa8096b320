"""What cannot be delivered lies on disk until it can: written whole, sent once, never deleted unsent."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Request, Response

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Verdict
from primus_lens_wandb_exporter.delivery.replay import Replay
from primus_lens_wandb_exporter.delivery.spool import Spool
from primus_lens_wandb_exporter.payloads import LogCall, metrics_envelopes
from primus_lens_wandb_exporter.settings import Settings

from .support.delivery import DROP, RETRY, SPLIT, ScriptedSink
from .support.ending import end, told_to_end
from .support.law import check_law
from .support.processor import Processor
from .support.scripts import REPOSITORY, ScriptRunner

MIB = 1 << 20


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), MIB)


def an_envelope(*entries: int) -> Envelope:
    return Envelope("/wandb/metrics", {"run_id": "r"}, "metrics", [str(entry) for entry in entries])


def replay_of(spool: Spool, *answers: Outcome) -> tuple[Replay, ScriptedSink]:
    sink = ScriptedSink(answers)
    return Replay(spool, sink), sink


def bodies_of(sink: ScriptedSink) -> list[list[int]]:
    return [json.loads(envelope.body())["metrics"] for envelope in sink.requests]


def drain(replay: Replay, attempts: int = 20) -> None:
    for _ in range(attempts):
        if replay.send_next(1.0) is None:
            return


def names_in(folder: str) -> list[str]:
    return sorted(os.listdir(folder))


def test_bodies_come_back_whole_the_oldest_first_and_are_gone_then(spool: Spool) -> None:
    envelopes = [an_envelope(i, i + 1) for i in range(3)]
    assert all(spool.put(envelope) for envelope in envelopes)
    replay, sink = replay_of(spool)
    drain(replay)
    assert [envelope.body() for envelope in sink.requests] == [e.body() for e in envelopes]
    assert [envelope.key for envelope in sink.requests] == [e.key for e in envelopes]
    assert [envelope.path for envelope in sink.requests] == ["/wandb/metrics"] * 3
    assert replay.sent == 6
    assert names_in(spool.folder) == []


def test_a_body_that_fails_again_stays_under_its_key(spool: Spool) -> None:
    spool.put(an_envelope(1))
    replay, sink = replay_of(spool, RETRY, RETRY)
    drain(replay, attempts=2)
    (name,) = names_in(spool.folder)
    assert name.endswith(".body")
    drain(replay)
    assert len({envelope.key for envelope in sink.requests}) == 1
    assert names_in(spool.folder) == []


def test_a_body_that_is_refused_for_one_entry_is_halved_until_that_is_found(spool: Spool) -> None:
    class Picky(ScriptedSink):
        def send(self, envelope: Envelope, timeout: float) -> Outcome:
            if b"4" in envelope.body():
                self.requests.append(envelope)
                return SPLIT
            return super().send(envelope, timeout)

    spool.put(an_envelope(*range(8)))
    sink = Picky()
    replay = Replay(spool, sink)
    drain(replay)
    assert replay.sent == 7
    assert names_in(spool.folder) == ["aside"]
    (aside,) = Path(spool.folder, "aside").iterdir()
    assert b'"metrics":[4]' in aside.read_bytes()


def test_a_body_that_is_refused_as_a_whole_stays(spool: Spool) -> None:
    """As by an address that is the wrong one: 404 for whatever comes."""
    spool.put(an_envelope(1))
    drain(replay_of(spool, DROP)[0], attempts=1)
    assert len(spool.waiting()) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("0-torn.body", b'{"format": 1, "path": "/wandb/metrics", "field": "metrics", "key": "k"'),
        ("0-empty.body", b""),
        ("0-other.body", b"\x00\xff no JSON at all\n"),
        ("0-list.body", b"[]\nbody"),
        ("0-future.body", b'{"format": 99}\n'),
        ("notes.txt", b"do not forget the milk"),
        (".0-old.body.new", b"half of it"),
    ],
)
def test_a_torn_or_foreign_file_is_set_aside_whole_and_stops_nothing(
    spool: Spool, name: str, content: bytes
) -> None:
    spool.put(an_envelope(1))
    path = Path(spool.folder, name)
    path.write_bytes(content)
    os.utime(path, (0, 0))
    replay, sink = replay_of(spool)
    drain(replay)
    assert bodies_of(sink) == [[1]]
    assert names_in(spool.folder) == ["aside"]
    assert Path(spool.folder, "aside", name.lstrip(".")).read_bytes() == content
    assert name.lstrip(".") in spool.last_error


def test_a_body_whose_bytes_were_changed_is_set_aside(spool: Spool) -> None:
    spool.put(an_envelope(1, 2, 3))
    (path,) = Path(spool.folder).iterdir()
    path.write_bytes(path.read_bytes().replace(b"[1,2,3]", b"[1,2,4]"))
    replay, sink = replay_of(spool)
    drain(replay)
    assert not sink.requests
    assert names_in(spool.folder) == ["aside"]


def test_a_file_that_is_just_being_written_is_left_alone(spool: Spool) -> None:
    spool.put(an_envelope(1))
    path = Path(spool.folder, ".1-new.body.new")
    path.write_bytes(b"half")
    drain(replay_of(spool)[0])
    assert path.exists()


def test_what_is_set_aside_replaces_nothing_there(spool: Spool) -> None:
    spool.put(an_envelope(1))
    for content in ("first", "second"):
        Path(spool.folder, "notes.txt").write_text(content)
        spool.waiting()
    aside = [path.read_text() for path in sorted(Path(spool.folder, "aside").iterdir())]
    assert aside == ["first", "second"]


def test_a_body_of_a_pod_that_nobody_ever_knew_is_set_aside_in_the_end(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = Outcome(Verdict.RETRY, "http_400", "400 no valid workload found")
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    spool.put(an_envelope(1))
    monkeypatch.undo()
    spool.put(an_envelope(2))
    replay, _ = replay_of(spool, unknown, unknown)
    drain(replay, attempts=2)
    assert replay.sent == 0
    assert len(spool.waiting()) == 1
    assert len(spool.names_aside()) == 1


def test_both_halves_are_kept_or_none(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = Spool._write, []

    def fail_at_the_second(self: Spool, name: str, data: bytes) -> None:
        written.append(name)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, name, data)

    monkeypatch.setattr(Spool, "_write", fail_at_the_second)
    assert not spool.put(an_envelope(1), an_envelope(2))
    assert names_in(spool.folder) == []


def test_a_full_spool_takes_nothing_new_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "spool"), 1000)
    taken = [spool.put(an_envelope(i)) for i in range(10)]
    assert taken == sorted(taken, reverse=True)
    assert any(taken)
    assert not all(taken)
    assert spool.size() <= 1000
    assert "full" in spool.last_error
    replay, sink = replay_of(spool)
    drain(replay)
    assert bodies_of(sink) == [[i] for i in range(sum(taken))]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_leaves_nothing_behind(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    spool.put(an_envelope(1))

    def refuse(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", refuse)
    assert not spool.put(an_envelope(2))
    monkeypatch.undo()
    assert os.strerror(number) in spool.last_error
    assert len(names_in(spool.folder)) == 1


def test_a_really_full_disk_costs_only_the_new_body(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        spool = Spool(str(disk / "spool"), MIB)
        big = Envelope("/wandb/metrics", {}, "metrics", ['"' + "x" * 20_000 + '"'])
        taken = [spool.put(big) for _ in range(5)]
        assert taken[0]
        assert not taken[-1]
        assert "No space left" in spool.last_error
        replay, sink = replay_of(spool)
        drain(replay)
        assert len(sink.requests) == sum(taken)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_path_that_cannot_be_a_folder_is_an_answer_and_no_exception(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    spool = Spool(str(tmp_path / "file" / "spool"), MIB)
    assert not spool.put(an_envelope(1))
    assert "Not a directory" in spool.last_error
    assert spool.waiting() == []


def test_a_folder_that_vanished_is_made_again(spool: Spool) -> None:
    spool.put(an_envelope(1))
    (path,) = Path(spool.folder).iterdir()
    path.unlink()
    os.rmdir(spool.folder)
    assert spool.waiting() == []
    assert spool.put(an_envelope(2))


def test_what_can_be_neither_deleted_nor_moved_is_sent_once(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.put(an_envelope(1))
    replay, sink = replay_of(spool)

    def refuse(path: str) -> None:
        raise PermissionError(errno.EPERM, "not yours", path)

    monkeypatch.setattr(os, "unlink", refuse)
    drain(replay, attempts=5)
    assert len(sink.requests) == 1


CLAIM_ALL = """
import sys
from primus_lens_wandb_exporter.delivery.spool import Spool
spool = Spool(sys.argv[1], 1 << 20)
sys.stdin.readline()
mine = [claim for name in spool.waiting() if (claim := spool.claim(name))]
print(*(claim.envelope.key for claim in mine), flush=True)
sys.stdin.readline()
if sys.argv[2] == "send":
    for claim in mine:
        spool.discard(claim)
"""


def claimants(spool: Spool, count: int, what: str) -> list[subprocess.Popen[str]]:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM_ALL, spool.folder, what],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for _ in range(count)
    ]
    for process in processes:
        tell(process)
    return processes


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def claimed_by(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def test_no_two_processes_claim_the_same_file(spool: Spool) -> None:
    keys = [envelope.key for envelope in [an_envelope(i) for i in range(200)] if spool.put(envelope)]
    processes = claimants(spool, 3, "send")
    claimed = [key for process in processes for key in claimed_by(process)]
    for process in processes:
        tell(process)
        process.communicate(timeout=30)
    assert sorted(claimed) == sorted(keys)
    assert names_in(spool.folder) == []


def test_what_a_process_had_claimed_when_it_was_killed_is_the_next_ones(spool: Spool) -> None:
    envelope = an_envelope(1)
    spool.put(envelope)
    (first,) = claimants(spool, 1, "send")
    assert claimed_by(first) == [envelope.key]
    (second,) = claimants(spool, 1, "send")
    assert claimed_by(second) == []
    first.kill()
    first.communicate()
    (third,) = claimants(spool, 1, "send")
    assert claimed_by(third) == [envelope.key]
    for process in (second, third):
        tell(process)
        process.communicate(timeout=30)
    assert names_in(spool.folder) == []


# From here on with whole processes and the real wandb.

OUTPUT = "PRIMUS_LENS_WANDB_OUTPUT_PATH"


def job(scripts: ScriptRunner, source: str, folder: Path, **environ: str) -> Any:
    settings = {OUTPUT: str(folder), "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.2", **environ}
    return scripts.run(source, environ=settings)


LOGS_FIVE = """
    import wandb
    run = wandb.init()
    for i in range(5):
        run.log({"a": i, "text": "b"})
    from primus_lens_wandb_exporter.exporter import get_exporter
    get_exporter().shutdown()
    print_stats()
"""


def test_what_the_exit_cannot_deliver_is_sent_by_the_next_process(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    refused = {"PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:9/api/v1"}
    first = job(scripts, LOGS_FIVE, tmp_path / "out", **refused)
    check_law(first.stats)
    assert first.stats["spooled"] == {"detection": 1, "metrics": 5, "logs": 5 + 2, "local": 0}
    assert "being lost" not in first.debug
    second = job(
        scripts,
        """
        import time, wandb
        run = wandb.init()
        run.log({"next": 1})
        from primus_lens_wandb_exporter.api_reporter import get_global_reporter
        while get_global_reporter().stats["replayed"] < 13:
            time.sleep(0.05)
        print_stats()
        """,
        tmp_path / "out",
    )
    check_law(second.stats)
    assert processor.series("a") == [(i, i) for i in range(5)]
    assert len(processor.log_entries) == 5
    told = [["started", "finished 0 exit"]] * 2
    assert list(processor.lives().values()) == told
    assert len(processor.detections) == 2
    assert names_in(str(tmp_path / "out" / "spool")) == []
    keys = [received.headers["Idempotency-Key"] for received in processor.received]
    assert len(keys) == len(set(keys))


def test_an_endpoint_that_hangs_to_the_end_loses_nothing(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    with processor.silent():
        finished = job(scripts, LOGS_FIVE, tmp_path / "out", PRIMUS_LENS_WANDB_SHUTDOWN_TIMEOUT="1")
    check_law(finished.stats)
    assert finished.stats["spooled"] == {"detection": 1, "metrics": 5, "logs": 5 + 2, "local": 0}


def test_an_outage_longer_than_the_queues_hold_is_no_loss(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    """A queue holds 1000 calls."""
    ill = threading.Event()
    ill.set()
    processor.answer = lambda request: Response("", 503) if ill.is_set() else None
    script = """
        import sys, time, wandb
        from primus_lens_wandb_exporter.api_reporter import get_global_reporter
        run = wandb.init()
        for i in range(3000):
            run.log({"a": i})
            if i % 100 == 0:
                time.sleep(0.05)
        print(get_global_reporter().stats["spooled"]["metrics"], flush=True)
        def all_there():  # the last calls may be spooled only now
            stats = get_global_reporter().stats
            waiting = sum(stats["pending"].values()) + sum(stats["spooled"].values())
            return waiting == stats["replayed"]
        while not all_there():
            time.sleep(0.05)
        run.finish()
        print_stats()
    """
    process = scripts.start(
        script, environ={OUTPUT: str(tmp_path / "out"), "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.2"}
    )
    assert process.stdout is not None
    preamble = process.stdout.readline()
    assert int(preamble) > 0
    ill.clear()
    stdout, stderr = process.communicate(timeout=90)
    assert process.returncode == 0, stderr
    stats = json.loads(stdout.partition("STATS ")[2])
    check_law(stats)
    assert stats["dropped"]["metrics"] == {}
    assert sorted(processor.series("a")) == [(i, i) for i in range(3000)]


def test_without_an_output_path_nothing_is_spooled(scripts: ScriptRunner, tmp_path: Path) -> None:
    refused = {"PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:9/api/v1"}
    finished = scripts.run(LOGS_FIVE, environ=refused)
    check_law(finished.stats)
    assert finished.stats["dropped"]["metrics"] == {"shutdown": 5}


def test_with_a_spool_size_of_zero_nothing_is_spooled(scripts: ScriptRunner, tmp_path: Path) -> None:
    finished = job(
        scripts,
        LOGS_FIVE,
        tmp_path / "out",
        PRIMUS_LENS_API_BASE_URL="http://127.0.0.1:9/api/v1",
        PRIMUS_LENS_WANDB_SPOOL_SIZE="0",
    )
    check_law(finished.stats)
    assert finished.stats["dropped"]["metrics"] == {"shutdown": 5}
    assert not (tmp_path / "out" / "spool").exists()


ON_A_SLOW_DISK = """
    import os, time, wandb
    from primus_lens_wandb_exporter.delivery.spool import Spool
    write = Spool._write
    def write_slowly(self, name, data):
        time.sleep(float(os.environ["SECONDS_OF_A_WRITE"]))
        write(self, name, data)
    Spool._write = write_slowly
    run = wandb.init()
    for i in range(5):
        run.log({"a": i, "text": "b"})
    print("ready", flush=True)
    time.sleep(60)
"""


def local_lines_of_a_slow_disk(
    scripts: ScriptRunner, processor: Processor, folder: Path, seconds_of_a_write: str
) -> int:
    """End a job of five calls by SIGTERM, its endpoint silent, and return how many lines it left."""
    slow = {OUTPUT: str(folder), "SECONDS_OF_A_WRITE": seconds_of_a_write}
    told = told_to_end(scripts, ON_A_SLOW_DISK, environ=slow)
    with processor.silent(), told as process:
        assert end(process)[0] == -signal.SIGTERM
    (lines,) = folder.rglob("*.jsonl")
    return len(lines.read_text().splitlines())


def test_sigterm_with_a_silent_endpoint_and_a_slow_disk_spools_all(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    """Neither half ends the process before the other is done."""
    assert local_lines_of_a_slow_disk(scripts, processor, tmp_path / "out", "0.1") == 5
    spooled = Spool(str(tmp_path / "out" / "spool"), MIB)
    files = [Path(spooled.folder, name).read_bytes() for name in spooled.waiting()]
    paths = [json.loads(data.partition(b"\n")[0])["path"] for data in files]
    assert sorted(paths) == ["/wandb/detection", "/wandb/logs", "/wandb/metrics"]


def test_a_spool_that_takes_all_the_time_there_is_at_sigterm_holds_up_no_local_line(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    assert local_lines_of_a_slow_disk(scripts, processor, tmp_path / "out", "0.6") == 5


def test_sigterm_with_a_dead_endpoint_spools_all(scripts: ScriptRunner, tmp_path: Path) -> None:
    script = """
        import time, wandb
        run = wandb.init()
        for i in range(5):
            run.log({"a": i})
        print("ready", flush=True)
        time.sleep(60)
    """
    environ = {
        OUTPUT: str(tmp_path / "out"),
        "PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:9/api/v1",
    }
    with told_to_end(scripts, script, environ=environ) as process:
        assert end(process)[0] == -signal.SIGTERM
    replay, sink = replay_of(Spool(str(tmp_path / "out" / "spool"), MIB))
    drain(replay)
    points = [p for envelope in sink.requests for p in json.loads(envelope.body()).get("metrics", [])]
    assert [(point["name"], point["value"]) for point in points] == [("a", i) for i in range(5)]
    assert sum(envelope.path == "/wandb/detection" for envelope in sink.requests) == 1


def by_hand(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    """Run `primus-lens-wandb replay`."""
    return subprocess.run(
        [sys.executable, "-m", "primus_lens_wandb_exporter", "replay", str(folder)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PRIMUS_LENS_API_BASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )


def real_bodies(spool: Spool, count: int) -> None:
    settings = Settings(workload_uid="workload-1", pod_name="pod-1")
    for i in range(count):
        for envelope in metrics_envelopes(settings, [LogCall("r", 1.7e9, i, {"a": i}, {})]):
            assert spool.put(envelope)


@pytest.mark.parametrize("below", ["", "spool"], ids=["output path", "spool folder"])
def test_replay_by_hand_sends_all(
    spool: Spool, processor: Processor, tmp_path: Path, below: str
) -> None:
    real_bodies(spool, 3)
    finished = by_hand(tmp_path / below, processor.url)
    assert finished.returncode == 0, finished.stderr
    assert "3 bodies" in finished.stdout
    assert "3 bodies sent (3 points, log entries and records), 0 left" in finished.stdout
    assert processor.series("a") == [(i, i) for i in range(3)]
    again = by_hand(tmp_path / below, processor.url)
    assert again.returncode == 0
    assert len(processor.points) == 3


def test_replay_by_hand_says_what_is_set_aside(
    spool: Spool, processor: Processor, tmp_path: Path
) -> None:
    real_bodies(spool, 1)
    Path(spool.folder, "0-torn.body").write_bytes(b"half")
    finished = by_hand(tmp_path, processor.url)
    assert finished.returncode == 1
    assert f"set aside, because it is damaged, foreign or refused: {spool.aside}/0-torn.body" in (
        finished.stdout
    )
    assert processor.series("a") == [(0, 0)]
    assert by_hand(tmp_path, processor.url).returncode == 0


def test_replay_by_hand_gives_up_on_an_endpoint_that_fails_and_keeps_all(
    spool: Spool, processor: Processor, tmp_path: Path
) -> None:
    processor.answer = lambda request: Response("", 503, headers={"Retry-After": "0"})
    real_bodies(spool, 2)
    finished = by_hand(tmp_path, processor.url)
    assert finished.returncode == 1
    assert "0 bodies sent (0 points, log entries and records), 2 left" in finished.stdout
    assert "The endpoint fails: 503" in finished.stdout
    assert len(names_in(spool.folder)) == 2


def test_replay_by_hand_can_be_interrupted_and_repeated(
    spool: Spool, processor: Processor, tmp_path: Path
) -> None:
    second, over = threading.Event(), threading.Event()

    def answer(request: Request) -> None:
        if len(processor.received) == 1:
            second.set()
            over.wait(60)

    processor.answer = answer
    real_bodies(spool, 3)
    command = [sys.executable, "-m", "primus_lens_wandb_exporter", "replay", str(tmp_path)]
    environ = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PRIMUS_LENS_API_BASE_URL": processor.url,
    }
    with subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.PIPE,
        text=True,
        # A shell's background job ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert second.wait(30)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "2 left" in stdout
    assert "Run this again" in stdout
    over.set()
    processor.answer = lambda request: None
    assert by_hand(tmp_path, processor.url).returncode == 0
    assert set(processor.series("a")) == {(i, i) for i in range(3)}


def test_replay_by_hand_touches_no_folder_that_is_no_spool(tmp_path: Path) -> None:
    for name in ("model.pt", ".env", "env"):
        (tmp_path / name).write_text(name)
    finished = by_hand(tmp_path, "http://127.0.0.1:9")
    assert finished.returncode == 2
    assert names_in(str(tmp_path)) == [".env", "env", "model.pt"]


def test_replay_by_hand_of_no_folder_says_so(tmp_path: Path) -> None:
    finished = by_hand(tmp_path / "nowhere", "http://127.0.0.1:9")
    assert finished.returncode == 2
    assert "no such folder" in finished.stderr


def test_replay_by_hand_works_without_tqdm(spool: Spool, processor: Processor, tmp_path: Path) -> None:
    (tmp_path / "tqdm.py").write_text("raise ImportError")
    real_bodies(spool, 1)
    finished = subprocess.run(
        [sys.executable, "-m", "primus_lens_wandb_exporter", "replay", spool.folder],
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}",
            "PRIMUS_LENS_API_BASE_URL": processor.url,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    assert processor.series("a") == [(0, 0)]
