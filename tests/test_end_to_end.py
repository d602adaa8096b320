"""An unchanged script reports its run."""

from __future__ import annotations

from .support.processor import Processor
from .support.scripts import ScriptRunner


def test_every_number_of_a_run_arrives_once_under_its_step(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import wandb
        run = wandb.init(project="p", config={"lr": 0.1})
        for i in range(100):
            wandb.log({"loss": 1 / (i + 1), "nested": {"accuracy": i}})
        print(run.id)
        run.finish()
        print_stats()
        """
    )
    run_id = finished.stdout.split()[0]
    assert processor.series("loss", run_id) == [(i, 1 / (i + 1)) for i in range(100)]
    assert processor.series("nested.accuracy", run_id) == [(i, i) for i in range(100)]
    assert len(processor.points) == 200
    assert [body["evidence"]["wandb"]["id"] for body in processor.detections] == [run_id]
    assert finished.stats["metrics_sent"] == 200
    assert finished.stats["dropped"] == {"detection": {}, "metrics": {}, "logs": {}}


def test_flat_out_logging_loses_nothing(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import wandb
        run = wandb.init()
        for i in range(3000):
            run.log({"a": i, "b": i, "c": i, "d": i, "e": i})
        """
    )
    assert processor.series("e") == [(i, i) for i in range(3000)]
    assert len(processor.points) == 15000
