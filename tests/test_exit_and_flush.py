"""How processes end, and what has arrived by then."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator

import pytest
from werkzeug import Request

from .support.processor import Processor
from .support.scripts import REPOSITORY, ScriptRunner

SILENT = {"PRIMUS_LENS_WANDB_DEBUG": "false"}

# Reports without wandb, as the hook does with it.
DIRECT = """
import os, sys, time
sys.path.insert(0, os.environ["PACKAGE_FOLDER"])
from primus_lens_wandb_exporter.exporter import get_exporter
from primus_lens_wandb_exporter.payloads import LogCall
exporter = get_exporter()
def log(name, count=5):
    for i in range(count):
        exporter.record(*LogCall("run-1", time.time(), i, {name: float(i)}, {}))
"""


@pytest.fixture
def direct(scripts: ScriptRunner) -> ScriptRunner:
    """Runs scripts that begin with `DIRECT`, and whose batches go out at their end."""
    scripts.environ.update(
        PACKAGE_FOLDER=str(REPOSITORY),
        PRIMUS_LENS_WANDB_BATCH_SIZE="1000",
        PRIMUS_LENS_WANDB_FLUSH_INTERVAL="3600",
    )
    return scripts


FIVE = [(i, float(i)) for i in range(5)]
LOGGING = """
    import os, sys, wandb
    run = wandb.init()
    for i in range(200):
        run.log({"a": i, "b": -i})
"""


@pytest.mark.parametrize(
    ("ending", "status", "stderr"),
    [
        ("", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('bad luck')", 1, "bad luck\n"),
        ("raise ValueError('mine')", 1, "ValueError: mine\n"),
    ],
)
def test_everything_accepted_arrives_and_the_exit_is_the_users(
    scripts: ScriptRunner, processor: Processor, ending: str, status: int, stderr: str
) -> None:
    source = LOGGING + f"    {ending}\n"
    finished = scripts.run(source, ok=False)
    assert len(processor.series("a")) == len(processor.series("b")) == 200
    assert finished.status == status
    assert finished.stderr.endswith(stderr)
    assert ("Traceback" in finished.stderr) == ("raise" in ending)
    assert finished.stderr.count("\n") == (finished.stderr if "raise" in ending else stderr).count("\n")


def test_an_uncaught_exception_prints_what_it_prints_without_us(scripts: ScriptRunner) -> None:
    source = LOGGING + "    def inner():\n        raise ValueError('mine')\n    inner()\n"
    without = scripts.run(source, ok=False, hooked=False)
    finished = scripts.run(source, ok=False, environ=SILENT)
    assert (finished.status, finished.stdout) == (without.status, without.stdout)
    assert finished.stderr == without.stderr
    assert finished.debug == ""


@pytest.mark.parametrize(
    "source",
    [
        LOGGING + "    run.finish()\n    os._exit(0)\n",
        LOGGING + "    wandb.finish()\n    os._exit(0)\n",
        """
    import os, wandb
    with wandb.init() as run:
        for i in range(200):
            run.log({"a": i, "b": -i})
    os._exit(0)
    """,
    ],
    ids=["run.finish", "wandb.finish", "with"],
)
def test_a_finished_run_has_arrived_even_if_the_process_just_disappears(
    scripts: ScriptRunner, processor: Processor, source: str
) -> None:
    scripts.run(source)
    assert processor.series("a") == [(i, float(i)) for i in range(200)]
    assert len(processor.points) == 400
    assert len(processor.detections) == 1


def test_finish_does_not_wait_for_an_endpoint_that_fails(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import time, wandb
        run = wandb.init()
        run.log({"a": 1})
        before = time.monotonic()
        run.finish()
        print("waited" if time.monotonic() - before > 60 else "went on")
        """,
        environ={
            "PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:1/api/v1",
            "PRIMUS_LENS_WANDB_FINISH_TIMEOUT": "3600",
        },
    )
    assert finished.stdout == "went on\n"


def test_a_refused_endpoint_costs_its_points_one_line_and_no_more(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        LOGGING, environ={**SILENT, "PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:1/api/v1"}
    )
    assert finished.stdout == finished.stderr == ""
    (line,) = finished.debug.splitlines()
    assert "data is being lost" in line
    assert "400 shutdown" in line
    assert "refused" in line


@pytest.fixture
def silent_endpoint() -> Iterator[str]:
    """The URL of an endpoint that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"


def test_a_hanging_endpoint_costs_its_points_one_line_and_no_more(
    direct: ScriptRunner, silent_endpoint: str
) -> None:
    finished = direct.run(
        DIRECT + "log('a')\nexporter.flush(0.2)  # the request is under way\n",
        environ={
            **SILENT,
            "PRIMUS_LENS_API_BASE_URL": silent_endpoint,
            "PRIMUS_LENS_WANDB_SHUTDOWN_TIMEOUT": "0.5",
            "PRIMUS_LENS_WANDB_REQUEST_TIMEOUT": "3600",
        },
    )
    assert finished.stdout == finished.stderr == ""
    (line,) = finished.debug.splitlines()
    assert "data is being lost" in line
    assert "metrics: 5" in line


def test_the_line_about_losses_is_not_repeated(direct: ScriptRunner, processor: Processor) -> None:
    finished = direct.run(
        DIRECT
        + """
log('a', 5000)       # more than the queue takes while nobody listens
exporter.herald.last_time -= 3600
exporter.flush(1)
log('a', 5000)
exporter.herald.last_time -= 3600
exporter.flush(1)
""",
        environ={**SILENT, "PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:1/api/v1"},
    )
    (line,) = finished.debug.splitlines()
    assert "data is being lost" in line
    assert finished.stderr == ""


def test_a_multiprocessing_child_delivers_its_own_run(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import multiprocessing
        import wandb

        def work(number):
            run = wandb.init(name=f"child-{number}")
            for i in range(20):
                run.log({f"child-{number}": i})

        if __name__ == "__main__":
            context = multiprocessing.get_context("fork")
            children = [context.Process(target=work, args=(number,)) for number in range(2)]
            for child in children:
                child.start()
            for child in children:
                child.join()
                assert child.exitcode == 0
        """
    )
    for number in range(2):
        assert processor.series(f"child-{number}") == [(i, float(i)) for i in range(20)]
    assert len(processor.detections) == 2


def test_a_forked_child_leaves_the_parents_backlog_alone(
    direct: ScriptRunner, processor: Processor
) -> None:
    finished = direct.run(
        DIRECT
        + """
import threading
log("parent")
child = os.fork()
if not child:
    print(exporter.worker.thread, threading.active_count(), exporter.stats()["accepted"], flush=True)
    sys.exit()
os.waitpid(child, 0)
"""
    )
    assert finished.stdout == "None 1 {'detection': 0, 'metrics': 0, 'logs': 0}\n"
    assert processor.series("parent") == FIVE
    assert len(processor.points) == 5


def test_a_forked_child_that_logs_delivers_its_own_points_once(
    direct: ScriptRunner, processor: Processor
) -> None:
    direct.run(
        DIRECT
        + """
log("parent")
child = os.fork()
log("parent goes on" if child else "child")
if child:
    assert os.waitpid(child, 0)[1] == 0
"""
    )
    for name in ("parent", "parent goes on", "child"):
        assert processor.series(name) == FIVE
    assert len(processor.points) == 15


def test_a_child_forked_while_a_request_is_under_way_does_not_hang(
    direct: ScriptRunner, processor: Processor
) -> None:
    """The parent's worker is in the middle of a request, and a producer holds the queue's lock."""
    child_is_done = threading.Event()

    def answer(request: Request) -> None:
        if b'"child"' in request.get_data():
            child_is_done.set()
        else:
            assert child_is_done.wait(60)

    processor.answer = answer
    direct.run(
        DIRECT
        + """
import threading
log("parent")
exporter.worker.flush(0.05)
with exporter.lanes["metrics"].queue._lock, exporter._skip_lock, exporter.worker._starting:
    def fork():
        child = os.fork()
        if not child:
            log("child")
            exporter.skip("Image", 1)
            exporter.flush(60)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    thread = threading.Thread(target=fork)
    thread.start()
    thread.join()
"""
    )
    assert processor.series("child") == FIVE
    assert processor.series("parent") == FIVE


def test_the_worker_imports_nothing(scripts: ScriptRunner, processor: Processor) -> None:
    """A child forked in the middle of an import would have half a module, and its lock for good."""
    finished = scripts.run(
        """
        import sys, threading
        imported = []
        def watch(event, arguments):
            if event == "import" and threading.current_thread().name == "primus-lens-wandb":
                imported.append(arguments[0])
        sys.addaudithook(watch)
        import wandb
        with wandb.init() as run:
            run.log({"a": 1.0, "text": "b"})
        from primus_lens_wandb_exporter.exporter import get_exporter
        get_exporter().shutdown()
        print(imported)
        """,
        environ={"PRIMUS_LENS_WANDB_ENHANCE_METRICS": "true"},
    )
    assert finished.stdout == "[]\n"
    assert processor.series("a") == [(0, 1.0)]
    assert processor.detections
    assert processor.log_entries


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks by the C library's name")
def test_a_child_that_was_forked_behind_pythons_back_delivers_its_own_points(
    direct: ScriptRunner, processor: Processor
) -> None:
    direct.run(
        DIRECT
        + """
import ctypes
log("warm-up")
assert exporter.flush(60)
log("parent")
child = ctypes.PyDLL(None).fork()
if not child:
    log("child")
    exporter.flush(5)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    assert processor.series("child") == FIVE
    assert processor.series("parent") == FIVE
    assert len(processor.points) == 15
