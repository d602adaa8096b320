"""The command line: `run`, `stats`, and what it does with bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from primus_lens_wandb_exporter import stats_files
from primus_lens_wandb_exporter.cli import main
from primus_lens_wandb_exporter.stats_table import table

from .support.installation import run_python
from .support.processor import Processor
from .support.pythons import OLD
from .support.scripts import REPOSITORY, ScriptRunner

COMMAND = [sys.executable, "-m", "primus_lens_wandb_exporter"]


def run_command(
    *arguments: str, environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environ or {})}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=environ, timeout=60, cwd="/"
    )


def test_run_hooks_one_command_and_keeps_its_arguments_path_and_status(tmp_path: Path) -> None:
    code = (
        "import sys, os; from primus_lens_wandb_exporter import import_hook;"
        "print(import_hook.is_armed('wandb'), sys.argv[1:], os.environ['PYTHONPATH'].split(':')[1:]);"
        "sys.exit(7)"
    )
    finished = run_command("run", "--", sys.executable, "-c", code, "-x", "--json")
    assert finished.stdout == f"True ['-x', '--json'] ['{REPOSITORY}']\n"
    assert (finished.returncode, finished.stderr) == (7, "")


@pytest.mark.parametrize(
    "action", ["run", "stats", "doctor", "evidence", "replay", "inject", "serve", "db"]
)
def test_help_of_an_action_says_what_it_does(
    action: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["--help"])
    (says,) = re.findall(rf"^    {action} +(.*)$", capsys.readouterr().out, re.MULTILINE)
    with pytest.raises(SystemExit):
        main([action, "--help"])
    assert f"\n{says[0].upper()}{says[1:]}.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "python", [path for path in OLD if path.name != "python2.7"], ids=lambda path: path.name
)
def test_a_python_older_than_supported_is_told_so(python: Path) -> None:
    code = "import runpy; runpy.run_module('primus_lens_wandb_exporter', run_name='__main__')"
    finished = run_python(python, code, pythonpath=REPOSITORY)
    version = python.name.replace("python", "Python ")
    assert finished.stderr.startswith(f"primus-lens-wandb: from {version} nothing is sent")
    assert (finished.stdout, finished.returncode) == ("", 1)


def test_run_works_without_a_pythonpath(tmp_path: Path) -> None:
    from primus_lens_wandb_exporter.run_command import hook_folder, hooked_environ

    assert hooked_environ({"A": "b"}) == {"A": "b", "PYTHONPATH": str(hook_folder())}
    assert hooked_environ({"PYTHONPATH": ""}) == {"PYTHONPATH": str(hook_folder())}


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ([], 2, "no command"),
        (["--", "no-such-command"], 127, "no-such-command: command not found"),
        (["/"], 126, "/: "),
    ],
)
def test_run_says_what_is_wrong_with_a_command(command: list[str], status: int, message: str) -> None:
    finished = run_command("run", *command)
    assert finished.returncode == status
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr


def published(pid: int, environ: dict[str, str]) -> list[dict[str, Any]]:
    """Return what `stats` shows of one process; others of this user may be alive, too."""
    shown = json.loads(run_command("stats", "--json", environ=environ).stdout)
    return [stats for stats in shown if stats["pid"] == pid]


def test_stats_shows_a_live_process_from_outside(scripts: ScriptRunner, processor: Processor) -> None:
    process = scripts.start(
        """
        import sys, time, wandb
        run = wandb.init(project="p")
        run.log({"a": 1, "b": 2, "image": object})
        time.sleep(2.5)  # published a second after the first item at the latest
        run.log({"a": 3})
        print("ready", flush=True)
        time.sleep(60)
        """,
        environ={"PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.1"},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        environ = {"TMPDIR": scripts.environ["TMPDIR"]}
        (stats,) = published(process.pid, environ)
        text = run_command("stats", environ=environ).stdout
    finally:
        process.kill()
        process.communicate()
    assert stats["detection_sent"] == 1
    assert stats["metrics_sent"] >= 2
    assert f"process {process.pid}: {scripts.folder / 'script.py'}" in text
    assert "workload-1" in text
    assert published(process.pid, environ) == []


def test_stats_without_any_process_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stats_files, "candidate_folders", list)
    assert main(["stats"]) == 0
    assert "No live process" in capsys.readouterr().out


def test_the_table_shows_every_number() -> None:
    text = table(
        {
            "pid": 12,
            "command": "train.py",
            "time": 1000.0,
            "reporting": True,
            "endpoint": "http://processor/api/v1",
            "workload_uid": "w",
            "pod_name": "p",
            "accepted": {"detection": 1, "metrics": 12345, "logs": 0},
            "sent": {"detection": 1, "metrics": 11900, "logs": 0},
            "spooled": {"detection": 0, "metrics": 100, "logs": 0},
            "pending": {"detection": 0, "metrics": 45, "logs": 0},
            "dropped": {"detection": {}, "metrics": {"queue_full": 300}, "logs": {}},
            "skipped": {"Image": 3},
            "errors": 4,
            "retries": 5,
            "replayed": 1100,
            "last_success": 990.0,
            "last_error": "503 busy",
        },
        now=1002.0,
    )
    assert text.splitlines() == [
        "process 12: train.py",
        "  w -> http://processor/api/v1   (as of 2 s ago)",
        "                accepted        sent   spooled   pending   dropped",
        "  detection            1           1         0         0         0",
        "  metrics         12,345      11,900       100        45       300  300 queue_full",
        "  logs                 0           0         0         0         0",
        "  skipped values: 3 Image",
        "  errors: 4, retries: 5",
        "  sent from the spool: 1,100",
        "  last success: 12 s ago",
        "  last error: 503 busy",
    ]


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    environ = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:9",
    }
    process = subprocess.Popen(
        [*COMMAND, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait()
    process.stderr.close()
