"""How processes end, and what has arrived by then."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from .support.direct import DIRECT
from .support.processor import Processor
from .support.scripts import ScriptRunner

SILENT = {"PRIMUS_LENS_WANDB_DEBUG": "false"}

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
        LOGGING, environ={**SILENT, "PRIMUS_LENS_API_BASE_URL": "http://me:hush@127.0.0.1:1/api/v1"}
    )
    assert finished.stdout == finished.stderr == ""
    (line,) = finished.debug.splitlines()
    assert "data is being lost" in line
    assert "endpoint: http://127.0.0.1:1/api/v1;" in line
    assert "hush" not in line
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


def test_what_was_older_than_the_flush_interval_survives_a_kill(
    scripts: ScriptRunner, processor: Processor
) -> None:
    """Detection goes out at once, the rest after the interval, or the spacing of a second."""
    process = scripts.start(
        """
        import time, wandb
        run = wandb.init()
        run.log({"old": 1})
        time.sleep(2.5)
        run.log({"new": 2})
        print("ready", flush=True)
        time.sleep(60)
        """,
        environ={"PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.5"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate()
    assert processor.detections
    assert processor.series("old") == [(0, 1.0)]
