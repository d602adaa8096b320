"""What a run says of itself: that it began, and how it ended."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.exporter import CAPACITY, Exporter
from primus_lens_wandb_exporter.payloads import LogCall
from primus_lens_wandb_exporter.settings import load

from .support import versions
from .support.delivery import wait_until
from .support.ending import end, told_to_end
from .support.law import check_law
from .support.processor import Processor
from .support.runs import StandInRun
from .support.scripts import ScriptRunner
from .support.wandb_file import find_files

INIT = """
import atexit, multiprocessing, os, signal, sys, time
import wandb
from primus_lens_wandb_exporter.exporter import get_exporter
def ready():
    os.write(1, b"ready\\n")
"""
BEGIN = (
    INIT
    + """
run = wandb.init(id="r")
run.log({"loss": 1.0}, step=7)
"""
)


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("", "finished 0 exit"),
        ("sys.exit(3)", "failed 3 exit"),
        ("sys.exit('bad luck')", "failed 1 exit"),
        ("sys.exit(2**40)", "failed 2147483647 exit"),
        ("raise ValueError('mine')", "failed 1 ValueError"),
        ("os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)", "failed 130 KeyboardInterrupt"),
        ("run.finish()", "finished 0 finish"),
        ("wandb.finish(exit_code=3)", "failed 3 finish"),
        ("run.finish()\nrun.finish(exit_code=3)\nsys.exit(4)", "finished 0 finish"),
        ("with run:\n    pass", "finished 0 finish"),
        ("with run:\n    raise ValueError('mine')", "failed 1 finish"),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    run.finish(1)", "failed 1 finish"),
    ],
)
def test_an_end_is_told_as_it_was(
    scripts: ScriptRunner, processor: Processor, ending: str, told: str
) -> None:
    scripts.run(BEGIN + ending, ok=False)
    assert processor.lives() == {"r": ["started", told]}


@pytest.mark.parametrize(
    ("before", "ending", "told"),
    [
        ("", "sys.excepthook = lambda *error: None\nraise ValueError('mine')", "failed 1 ValueError"),
        ("", "sys.excepthook(ValueError, ValueError('mine'), None)", "failed 1 ValueError"),
        ("atexit.register(wandb.finish)", "sys.exit(3)", "failed 3 exit"),
        ("", "atexit.register(wandb.finish)", "finished 0 finish"),
        ("sys.ps1 = '> '\nsys.last_value = ValueError('of a cell')", "", "finished 0 exit"),
    ],
    ids=["another hook", "hook called", "finish after us", "finish before us", "at a prompt"],
)
def test_whoever_else_minds_the_end(
    scripts: ScriptRunner, processor: Processor, before: str, ending: str, told: str
) -> None:
    finished = scripts.run(f"{INIT}\n{before}\n{BEGIN}\n{ending}", ok=False)
    assert processor.lives() == {"r": ["started", told]}
    assert "being lost" not in finished.debug


def test_an_event_tells_where_and_when(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(BEGIN + "print(os.getpid())\nrun.finish()\n")
    started, ended = processor.events
    (point,) = processor.bodies("metrics")[0]["metrics"]
    assert {event.host for event in (started, ended)} == {socket.gethostname()}
    assert {event.pid for event in (started, ended)} == {int(finished.stdout)}
    assert started.timestamp <= point["timestamp"] <= ended.timestamp
    assert (started.step, ended.step) == (0, 7)
    assert (started.exit_code, started.cause) == (None, "init")


IN_PYTHON = "while True:\n    time.sleep(0.01)\n"
IN_C = """
import ctypes
lock, take = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
take(lock)
take(lock)
"""


@pytest.mark.parametrize("wait", [IN_PYTHON, IN_C], ids=["in Python", "in C"])
def test_a_sigterm_that_nobody_handles_is_the_cause(
    scripts: ScriptRunner, processor: Processor, wait: str
) -> None:
    with told_to_end(scripts, BEGIN + "ready()\n" + wait) as process:
        assert end(process) == (-signal.SIGTERM, "")
    assert processor.lives() == {"r": ["started", "failed 143 SIGTERM"]}


def test_a_sigterm_that_the_user_handles_ends_as_they_like(
    scripts: ScriptRunner, processor: Processor
) -> None:
    handle = "signal.signal(signal.SIGTERM, lambda *given: sys.exit(5))\n"
    with told_to_end(scripts, BEGIN + handle + "ready()\n" + IN_PYTHON) as process:
        assert end(process) == (5, "")
    assert processor.lives() == {"r": ["started", "failed 5 exit"]}


def test_a_process_that_just_disappears_says_nothing(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        BEGIN
        + """
get_exporter().flush(30)
os._exit(0)
"""
    )
    assert processor.lives() == {"r": ["started"]}


def test_runs_that_are_open_at_the_exit_end_with_it(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        INIT
        + """
for name in "one", "two":
    run = wandb.init(id=name, reinit=True)
    run.log({"loss": 1.0})
wandb.init(mode="disabled", reinit=True)
raise ValueError("mine")
""",
        ok=False,
    )
    assert processor.lives()["one"] == ["started", "finished 0 finish"]
    assert processor.lives()["two"][0] == "started"
    assert len(processor.lives()["two"]) == 2
    assert set(processor.lives()) == {"one", "two"}


FORK = """
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
"""
FORK_ALONE = """
child = os.fork()
if not child:
    work()
os.waitpid(child, 0)
"""


@pytest.mark.parametrize(
    ("fork", "ending"),
    [
        (FORK, "raise ValueError('mine')"),
        (FORK, "wandb.finish(exit_code=1)"),
        (FORK_ALONE, "get_exporter().shutdown(); os._exit(3)"),  # some wandb hangs in its own handler
    ],
)
def test_a_child_tells_nothing_of_its_parents_run(
    scripts: ScriptRunner, processor: Processor, fork: str, ending: str
) -> None:
    work = f"def work():\n    run.log({{'of the child': 1.0}})\n    {ending}\n"
    scripts.run(BEGIN + work + fork, ok=False)
    assert len(processor.series("of the child")) == 1
    assert processor.lives() == {"r": ["started", "finished 0 exit"]}


@pytest.mark.skipif(versions.WANDB < (0, 19), reason="this wandb starts a service for each process")
def test_a_run_that_was_handed_over_is_still_its_first_processs(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        INIT
        + """
def work(run):
    run.log({"of the child": 1.0})
    raise ValueError("mine")
if __name__ == "__main__":
    run = wandb.init(id="r")
    child = multiprocessing.get_context("spawn").Process(target=work, args=(run,))
    child.start()
    child.join()
"""
    )
    assert len(processor.series("of the child")) == 1
    assert processor.lives() == {"r": ["started", "finished 0 exit"]}


# Since 3.13 a child's exit handlers run when multiprocessing has forgotten the exception.
CHILDS_ERROR = "failed 1 exit" if sys.version_info >= (3, 13) else "failed 1 ValueError"


@pytest.mark.parametrize(
    ("method", "ending", "told"),
    [
        ("fork", "pass", "finished 0 exit"),
        ("fork", "sys.exit(3)", "failed 3 exit"),
        ("fork", "raise ValueError('mine')", CHILDS_ERROR),
        ("spawn", "raise ValueError('mine')", CHILDS_ERROR),
    ],
)
def test_a_child_tells_how_its_own_run_ended(
    scripts: ScriptRunner, processor: Processor, method: str, ending: str, told: str
) -> None:
    scripts.run(
        INIT
        + f"""
def work():
    wandb.init(id="child").log({{"loss": 1.0}})
    {ending}
if __name__ == "__main__":
    child = multiprocessing.get_context("{method}").Process(target=work)
    child.start()
    child.join()
"""
    )
    assert processor.lives() == {"child": ["started", told]}


def test_each_process_of_one_run_tells_its_own_beginning_and_end(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        INIT
        + """
pids = []
for rank in range(2):
    pids.append(os.fork())
    if not pids[-1]:
        os.mkdir(f"rank-{rank}")
        wandb.init(id="shared", dir=f"rank-{rank}").log({"loss": 1.0})
        sys.exit(rank)
for pid in pids:
    os.waitpid(pid, 0)
"""
    )
    ends = {event.pid: event.exit_code for event in processor.events if event.kind != "started"}
    assert sorted(processor.lives()["shared"]) == [
        "failed 1 exit",
        "finished 0 exit",
        "started",
        "started",
    ]
    assert len(ends) == 2


def test_an_event_reaches_neither_local_files_nor_the_users_run(
    scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    scripts.run(BEGIN + "run.finish()\n", environ={"PRIMUS_LENS_WANDB_OUTPUT_PATH": str(output)})
    (lines,) = output.rglob("*.jsonl")
    assert lines.read_text().count("\n") == 1
    (recorded,) = find_files(tmp_path)
    for path in (lines, recorded):
        assert b"primus_lens.event" not in path.read_bytes()
    assert len(processor.events) == 2


def test_a_crowd_of_log_entries_keeps_no_event_out(processor: Processor) -> None:
    environ = {"WORKLOAD_UID": "workload-1", "PRIMUS_LENS_API_BASE_URL": processor.url}
    exporter, run = Exporter(load(environ)), StandInRun("r")
    call = LogCall("r", 1.7e9, 0, {}, {"note": "x"})
    while exporter.lanes["logs"].queue.put(call):
        pass
    exporter.begin("r")
    exporter.conclude(run, 0)  # nobody is at work yet who could deliver
    exporter.announce(run)
    wait_until(lambda: not exporter.stats()["pending"]["logs"])
    exporter.shutdown()
    assert processor.lives() == {"r": ["started", "finished 0 finish"]}
    stats = exporter.stats()
    assert stats["dropped"]["logs"] == {"queue_full": 1}
    assert stats["logs_sent"] == len(processor.log_entries) + len(processor.events) == CAPACITY + 2
    check_law(stats)
