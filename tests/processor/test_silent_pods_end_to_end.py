"""Real runs in pods, of which one is killed: that one is silent, as the real server has it."""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

from primus_lens_wandb_exporter.processor.store import CRASHED_AFTER
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support.scripts import ScriptRunner, clean_environ
from ..support.served import served

LOG = """
import os, signal, sys, wandb
from primus_lens_wandb_exporter.api_reporter import get_global_reporter
run = wandb.init(id=os.environ["POD_NAME"])
run.log({"loss": 1.0})
get_global_reporter().flush(30)
if "kill" in os.environ["POD_NAME"]:
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_pod_that_was_killed_is_silent_and_one_that_ended_is_not(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        processes = []
        for rank, name in enumerate(("train-0", "train-1-killed")):
            pod = {"POD_NAME": name, "POD_UID": f"uid-{rank}", "POD_NAMESPACE": "research"}
            base = {"PRIMUS_LENS_API_BASE_URL": f"{server.url}/api/v1", "WORKLOAD_UID": "train"}
            environ = {**clean_environ(tmp_path), **base, **pod, "RANK": str(rank)}
            processes.append(ScriptRunner(tmp_path, environ).start(LOG))
        for process in processes:
            process.communicate(timeout=60)
        (workload,) = server.get("/workloads")["workloads"]
        assert (workload["pod_count"], workload["silent_count"]) == (2, 0)
        assert server.stop() == 0
    later = time.time_ns() // 1000 + CRASHED_AFTER
    with closing(open_store(str(tmp_path / "processor.db"))) as store:
        (pod,) = store.silent_pods(later, ["train"])["train"]
    assert (pod["pod_name"], pod["pod_uid"], pod["namespace"]) == ("train-1-killed", "uid-1", "research")
    assert (pod["host"], pod["pid"], pod["rank"]) == (os.uname().nodename, processes[1].pid, 1)
    assert pod["last_data"] is not None
    assert [run["run_id"] for run in pod["open_runs"]] == ["train-1-killed"]
