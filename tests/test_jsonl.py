"""Local files: one line a log call, whole under all circumstances, and never at the program's cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Verdict
from primus_lens_wandb_exporter.delivery.json_text import to_json
from primus_lens_wandb_exporter.delivery.jsonl_sink import JsonlSink
from primus_lens_wandb_exporter.exporter import local_path

from .support.processor import Processor
from .support.scripts import REPOSITORY, ScriptRunner

OUTPUT = "PRIMUS_LENS_WANDB_OUTPUT_PATH"
LOGGING = """
    import os, threading, wandb
    run = wandb.init(project="p")
    for i in range(3):
        run.log({"loss": i / 2, "note": f"step {i}"}, step=10 * i)
    print(run.id)
    run.finish()
    print_stats()
"""


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_each_log_call_is_a_line_of_its_ranks_file(scripts: ScriptRunner, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ranks = {"NODE_RANK": "2", "LOCAL_RANK": "5"}
    finished = scripts.run(LOGGING, environ={OUTPUT: str(out), **ranks})
    assert files_below(out) == ["node_2/rank_5/wandb_metrics.jsonl"]
    lines = lines_of(out / "node_2/rank_5/wandb_metrics.jsonl")
    times = [line.pop("timestamp") for line in lines]
    assert times == sorted(times)
    run_id = finished.stdout.split()[0]
    assert lines == [
        {"run_id": run_id, "step": 10 * i, "data": {"loss": i / 2, "note": f"step {i}"}}
        for i in range(3)
    ]
    assert finished.stats["local_written"] == 3
    assert finished.stats["metrics_sent"] == 3


@pytest.mark.parametrize(
    "environ",
    [
        {"PRIMUS_LENS_WANDB_API_REPORTING": "false"},
        {"WORKLOAD_UID": "", "POD_NAME": ""},
    ],
    ids=["reporting switched off", "no identity"],
)
def test_files_are_written_without_anything_being_sent(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path, environ: dict[str, str]
) -> None:
    finished = scripts.run(LOGGING, environ={OUTPUT: str(tmp_path / "out"), **environ})
    assert len(lines_of(tmp_path / "out/node_0/rank_0/wandb_metrics.jsonl")) == 3
    assert finished.stats["local_written"] == 3
    assert finished.stats["metrics_sent"] == 0
    assert not processor.received


def test_switched_off_nothing_is_written(scripts: ScriptRunner, tmp_path: Path) -> None:
    out = tmp_path / "out"
    finished = scripts.run(LOGGING, environ={OUTPUT: str(out), "PRIMUS_LENS_WANDB_SAVE_LOCAL": "false"})
    assert not out.exists()
    assert "local" not in finished.stats["accepted"]


def test_without_a_path_nothing_is_written(scripts: ScriptRunner, tmp_path: Path) -> None:
    scripts.run(LOGGING)
    assert not [name for name in files_below(tmp_path) if name.endswith(".jsonl")]


def test_the_training_thread_never_touches_the_file(scripts: ScriptRunner, tmp_path: Path) -> None:
    finished = scripts.run(
        """
        import sys, threading
        threads = set()
        def watch(event, arguments):
            if event == "open" and str(arguments[0]).endswith("wandb_metrics.jsonl"):
                threads.add(threading.current_thread().name)
        sys.addaudithook(watch)
        import wandb
        run = wandb.init()
        run.log({"a": 1})
        run.finish()
        print(sorted(threads))
        """,
        environ={OUTPUT: str(tmp_path / "out")},
    )
    assert finished.stdout.strip() == "['primus-lens-wandb']"


@pytest.mark.parametrize("how", ["a file in the way", "a full disk"])
def test_a_path_that_cannot_be_written_costs_only_its_own_lines(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path, how: str
) -> None:
    out = tmp_path / "out"
    if how == "a full disk":
        folder = out / "node_0" / "rank_0"
        folder.mkdir(parents=True)
        (folder / "wandb_metrics.jsonl").symlink_to("/dev/full")
    else:
        out.write_text("not a folder")
    finished = scripts.run(
        """
        import wandb
        with wandb.init() as run:
            for i in range(5):
                run.log({"a": i})
        from primus_lens_wandb_exporter.exporter import get_exporter
        get_exporter().shutdown()
        print_stats()
        """,
        environ={OUTPUT: str(out)},
    )
    assert processor.series("a") == [(i, i) for i in range(5)]
    stats = finished.stats
    assert stats["dropped"]["local"] == {"shutdown": 5}
    assert stats["dropped"]["metrics"] == {}
    assert stats["metrics_sent"] == 5
    assert "wandb_metrics.jsonl" in stats["last_error"]


def an_envelope(count: int, width: int = 10) -> Envelope:
    return Envelope("", {}, "lines", [to_json({"i": i, "text": "x" * width}) for i in range(count)])


def test_processes_that_share_a_file_keep_every_line_whole(tmp_path: Path) -> None:
    path = tmp_path / "shared.jsonl"
    writer = """
import sys
from primus_lens_wandb_exporter.delivery.envelope import Envelope
from primus_lens_wandb_exporter.delivery.json_text import to_json
from primus_lens_wandb_exporter.delivery.jsonl_sink import JsonlSink
who, path = sys.argv[1:]
sink = JsonlSink(path)
sys.stdin.readline()
for batch in range(100):
    lines = [to_json({"who": who, "i": 20 * batch + i, "text": who * 500}) for i in range(20)]
    sink.send(Envelope("", {}, "lines", lines), 1.0)
"""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", writer, who, str(path)],
            stdin=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        for who in "ab"
    ]
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in writers:
        process.communicate(timeout=60)
        assert process.returncode == 0
    lines = lines_of(path)
    for who in "ab":
        mine = [line for line in lines if line["who"] == who]
        assert [line["i"] for line in mine] == list(range(2000))
        assert all(line["text"] == who * 500 for line in mine)


def test_a_folder_that_comes_back_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "out" / "f.jsonl"
    sink = JsonlSink(str(path))
    (tmp_path / "out").write_text("in the way")
    outcome = sink.send(an_envelope(1), 1.0)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "disk_error")
    assert str(path) in outcome.detail
    (tmp_path / "out").unlink()
    assert sink.send(an_envelope(2), 1.0).verdict is Verdict.SENT
    assert len(lines_of(path)) == 2


def test_a_line_that_a_full_disk_cut_off_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "f.jsonl"
    sink = JsonlSink(str(path))
    sink.send(an_envelope(1), 1.0)
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
    assert sink.send(an_envelope(1), 1.0).verdict is Verdict.RETRY
    monkeypatch.undo()
    assert sink.send(an_envelope(1), 1.0).verdict is Verdict.SENT
    first, torn, last = path.read_text().splitlines()
    assert first == last
    assert first.startswith(torn)


@pytest.mark.parametrize(
    ("environ", "place"),
    [
        ({}, "node_0/rank_0"),
        ({"NODE_RANK": "3", "LOCAL_RANK": "7", "RANK": "31"}, "node_3/rank_7"),
        ({"GROUP_RANK": "2", "LOCAL_RANK": "1"}, "node_2/rank_1"),
        ({"SLURM_NODEID": "4", "SLURM_LOCALID": "6"}, "node_4/rank_6"),
        ({"NODE_RANK": "../../etc", "LOCAL_RANK": "-1"}, "node_0/rank_0"),
        ({"NODE_RANK": "", "GROUP_RANK": "1"}, "node_1/rank_0"),
    ],
)
def test_the_file_lies_where_its_ranks_say(environ: dict[str, str], place: str) -> None:
    assert local_path("/out", environ) == f"/out/{place}/wandb_metrics.jsonl"
