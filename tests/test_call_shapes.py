"""Every way to log yields each value exactly once, under the step that W&B records it at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .support.processor import Point, Processor
from .support.scripts import ScriptRunner
from .support.wandb_file import find_files, read_history, run_id

# Each logs "loss" as 0, 5 and 6 at the steps of the same number.
SHAPES = {
    "module": """
        wandb.log({"loss": 0})
        wandb.log({"loss": 5}, 5)
        wandb.log({"loss": 6}, 6, True)
    """,
    "keywords": """
        wandb.log(data={"loss": 0})
        wandb.log(data={"loss": 5}, step=5)
        wandb.log(step=6, commit=True, data={"loss": 6})
    """,
    "run": """
        run.log({"loss": 0})
        run.log({"loss": 5}, step=5, commit=None)
        run.log({"loss": 6}, 6, commit=True)
    """,
    "reference": """
        log = run.log
        log({"loss": 0})
        log({"loss": 5}, 5)
        log(data={"loss": 6}, step=6)
    """,
    "class": """
        Run = type(run)
        Run.log(run, {"loss": 0})
        Run.log(run, {"loss": 5}, 5)
        Run.log(self=run, data={"loss": 6}, step=6)
    """,
    "uncommitted": """
        run.log({"other": 0.5}, commit=False)
        run.log({"loss": 0})
        run.log({"loss": 5}, step=5, commit=False)
        run.log({"other": 5.5}, commit=True)
        run.log({"loss": 6}, commit=True)
    """,
    "jump": """
        run.log({"loss": 0}, step=0)
        run.log({"loss": 5}, step=5)
        run.log({"loss": 6}, step=6)
    """,
    "after-an-explicit-step": """
        run.log({"loss": 0})
        run.log({"loss": 5}, step=5, commit=True)
        run.log({"loss": 6})
    """,
    "numbers-as-steps": """
        import numpy as np
        run.log({"loss": np.float32(0)}, step=np.int64(0))
        run.log({"loss": np.array(5)}, step=np.int32(5))
        run.log({"loss": np.array([6.0])}, step=6)
    """,
    "nothing-to-report-in-between": """
        run.log({"loss": 0})
        run.log({})
        run.log({"nothing": None})
        run.log({"loss": 5}, step=5, commit=False)
        run.log({}, commit=True)
        run.log({"loss": 6})
    """,
}


def recorded(folder: Path) -> list[Point]:
    """Return the numbers in W&B's own files, as points; W&B keeps no types, so booleans stay out."""
    return sorted(
        Point(run_id(path), name, row.step, float(value))
        for path in find_files(folder)
        for row in read_history(path)
        for name, value in row.values.items()
        if type(value) in (int, float)
    )


def test_a_call_of_any_shape_is_reported_once_at_its_step(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        f"""
        import textwrap
        import wandb
        for name, shape in {SHAPES!r}.items():
            run = wandb.init(id=name)
            exec(textwrap.dedent(shape))
            run.finish()
        """
    )
    expected = [(0, 0.0), (5, 5.0), (6, 6.0)]
    assert {name: sorted(processor.series("loss", name)) for name in SHAPES} == dict.fromkeys(
        SHAPES, expected
    )
    assert sorted(processor.points) == recorded(scripts.folder)


def test_references_taken_before_the_run_report_too(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        from wandb import init
        from wandb.sdk.wandb_run import Run
        import wandb as w
        log = Run.log
        run = init()
        log(run, {"loss": 0})
        w.log({"loss": 1})
        w.run.log({"loss": 2})
        run.finish()
        """
    )
    assert processor.series("loss") == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert len(processor.detections) == 1


def test_a_step_behind_the_counter_is_dropped_as_wandb_does_and_counted(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import wandb
        run = wandb.init()
        run.log({"loss": 10}, step=10)
        run.log({"loss": 3, "late": 3, "note": "late"}, step=3)
        run.log({"loss": 10.5, "again": 1}, step=10)
        run.log({"loss": 11}, step=11)
        run.finish()
        print_stats()
        """
    )
    assert processor.series("loss") == [(10, 10.0), (10, 10.5), (11, 11.0)]
    assert processor.series("again") == [(10, 1.0)]
    assert processor.series("late") == []
    assert processor.log_entries == []
    assert finished.stats["skipped"] == {"step is behind": 3}
    of_wandb = recorded(scripts.folder)  # which keeps the last value of a step
    assert sorted(point for point in processor.points if point.value != 10.0) == of_wandb


@pytest.mark.parametrize("name", ["train/global_step", "trainer/global_step", "global_step"])
def test_trainers_that_put_their_step_into_the_data(
    scripts: ScriptRunner, processor: Processor, name: str
) -> None:
    scripts.run(
        f"""
        import wandb
        run = wandb.init()
        for step in (50, 100, 150):
            run.log({{"loss": step / 100, "note": "n", "{name}": step}})
        run.log({{"loss": 2.5, "{name}": 0.5}})
        run.finish()
        """
    )
    assert processor.series("loss") == [(50, 0.5), (100, 1.0), (150, 1.5), (3, 2.5)]
    assert processor.series(name) == [(50, 50), (100, 100), (150, 150), (3, 0.5)]
    assert [entry["step"] for entry in processor.log_entries] == [50, 100, 150]


def test_defined_step_metrics_give_each_metric_its_own_step(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import wandb
        run = wandb.init()
        run.define_metric("val/*", step_metric="epoch")
        wandb.define_metric("speed", step_metric="samples")
        run.define_metric("epoch")
        run.log({"loss": 0.0, "val/acc": 0.1, "val/note": "n", "speed": 7.0, "epoch": 3, "samples": 640})
        run.log({"loss": 1.0, "val/acc": 0.2})
        run.log({"loss": 2.0, "val/acc": 0.3, "speed": 8.0, "epoch": 4, "samples": 1280}, step=20)
        run.finish()
        """
    )
    assert sorted(processor.series("val/acc")) == [(1, 0.2), (3, 0.1), (20, 0.3)]
    assert sorted(processor.series("speed")) == [(20, 8.0), (640, 7.0)]
    assert sorted(processor.series("loss")) == [(0, 0.0), (1, 1.0), (20, 2.0)]
    assert [(entry["step"], entry["data"]) for entry in processor.log_entries] == [
        (3, {"val/note": "n"})
    ]
    assert len(processor.points) == 5 + 2 + 5


def test_a_step_metric_may_be_defined_by_the_metric_that_names_it(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import wandb
        run = wandb.init()
        epoch = run.define_metric("epoch", hidden=True)
        run.define_metric("*", step_metric=epoch)
        for i in range(3):
            run.log({"loss": i / 2, "epoch": i * 10})
        run.finish()
        """
    )
    assert processor.series("loss") == [(0, 0.0), (10, 0.5), (20, 1.0)]


def test_values_of_every_kind_in_one_call_go_where_they_belong(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import math
        import numpy as np
        import wandb
        run = wandb.init()
        run.log({
            "int": 3, "float": 0.1, "numpy": np.float32(0.5), "zero-d": np.array(4),
            "deep": {"er": {"still": 2}, "text": "t"},
            "yes": True, "text": "hello", "nan": math.nan, "inf": math.inf, "-inf": -math.inf,
            "histogram": wandb.Histogram([1, 2, 3]), "none": None, "list": [1, 2], "array": np.zeros(3),
        })
        run.finish()
        print_stats()
        """
    )
    assert {point.name: point.value for point in processor.points} == {
        "int": 3.0,
        "float": 0.1,
        "numpy": 0.5,
        "zero-d": 4.0,
        "deep.er.still": 2.0,
    }
    (entry,) = processor.log_entries
    assert entry["step"] == 0
    assert entry["data"] == {
        "deep.text": "t",
        "yes": True,
        "text": "hello",
        "nan": "NaN",
        "inf": "Infinity",
        "-inf": "-Infinity",
    }
    skipped: dict[str, Any] = finished.stats["skipped"]
    assert skipped == {"Histogram": 1, "NoneType": 1, "list": 1, "ndarray": 1}
