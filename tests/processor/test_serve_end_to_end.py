"""An unchanged training script, the real wandb, and the real processor."""

from __future__ import annotations

from pathlib import Path

from ..support.scripts import ScriptRunner, clean_environ
from ..support.served import served


def test_every_number_of_a_run_is_stored_once_and_answered_under_its_step(
    tmp_path: Path, place: str
) -> None:
    with served(tmp_path, "--db", place) as server:
        environ = {
            **clean_environ(tmp_path),
            "WORKLOAD_UID": "workload-1",
            "POD_NAME": "pod-1",
            "PRIMUS_LENS_API_BASE_URL": f"{server.url}/api/v1",
            "PRIMUS_LENS_WANDB_DEBUG": "true",
            "PRIMUS_LENS_WANDB_GZIP": "true",
        }
        finished = ScriptRunner(tmp_path, environ).run(
            """
            import wandb
            run = wandb.init(project="vision", name="first", config={"framework": "primus"}, tags=["a"])
            for i in range(400):
                run.log({"loss": 1 / (i + 1), "nested": {"accuracy": i}, "bad": float("nan")})
            print(run.id)
            run.finish()
            print_stats()
            """
        )
        run_id = finished.stdout.split()[0]
        answer = server.get("/workloads/workload-1/metrics/data", metrics="{loss,nested.accuracy}")
        found = {
            name: [
                (row["iteration"], row["value"]) for row in answer["data"] if row["metric_name"] == name
            ]
            for name in ("loss", "nested.accuracy")
        }
        available = server.get("/workloads/workload-1/metrics/available")["metrics"]
        (run,) = server.get("/workloads/workload-1/runs")["runs"]
        detection = server.get("/workloads/workload-1/framework-detection")
        times = server.get("/workloads/workload-1/metrics/iteration-times")["data"]
        assert server.stop() == 0
    assert sorted(found["loss"]) == [(i, 1 / (i + 1)) for i in range(400)]
    assert sorted(found["nested.accuracy"]) == [(i, i) for i in range(400)]
    assert {row["name"]: row["count"] for row in available} == {"loss": 400, "nested.accuracy": 400}
    assert finished.stats["metrics_sent"] == 800
    assert finished.stats["dropped"] == {"detection": {}, "metrics": {}, "logs": {}}
    assert (run["run_id"], run["name"], run["project"]) == (run_id, "first", "vision")
    assert (run["tags"], run["points"], run["last_step"]) == (["a"], 800, 399)
    assert run["config"]["framework"] == "primus"
    assert (detection["framework"], detection["method"]) == ("primus", "config")
    assert sorted(row["iteration"] for row in times) == list(range(400))
    assert {line["status"] for line in server.access_log} == {200}
