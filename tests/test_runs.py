"""Several runs in one process: every point under its own run, one detection a run."""

from __future__ import annotations

import pytest

from .support import versions
from .support.processor import Point, Processor, is_event
from .support.scripts import ScriptRunner

several_at_once = pytest.mark.skipif(versions.WANDB < (0, 19), reason="this wandb has one run a process")


def announced(processor: Processor) -> list[str]:
    return [body["evidence"]["wandb"]["id"] for body in processor.detections]


@several_at_once
def test_two_runs_at_once_keep_their_points_apart(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import wandb
        one = wandb.init(id="one")
        two = wandb.init(id="two", reinit="create_new")
        for i in range(50):
            one.log({"loss": i, "note": "one"})
            two.log({"loss": -i, "note": "two"}, step=2 * i)
        wandb.log({"of the first": 1})
        two.finish()
        one.log({"loss": 51})
        one.finish()
        """
    )
    ones = [(i, float(i)) for i in range(50)]
    assert processor.series("loss", "one") == [*ones, (51, 51.0)]
    assert processor.series("loss", "two") == [(2 * i, float(-i)) for i in range(50)]
    assert processor.by_run()["one"].count(Point("one", "of the first", 50, 1.0)) == 1
    assert announced(processor) == ["one", "two"]
    for body in processor.bodies("logs"):
        noted = [entry["data"]["note"] for entry in body["logs"] if not is_event(entry)]
        assert set(noted) <= {body["run_id"]}
    assert len(processor.log_entries) == 100
    assert processor.lives() == {run_id: ["started", "finished 0 finish"] for run_id in ("one", "two")}


def test_runs_in_sequence_start_their_steps_anew(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import wandb
        for trial in range(3):
            with wandb.init(id=f"trial-{trial}", config={"lr": trial}) as run:
                for i in range(4):
                    wandb.log({"loss": trial + i})
        """
    )
    ids = ["trial-0", "trial-1", "trial-2"]
    for trial, run_id in enumerate(ids):
        assert processor.series("loss", run_id) == [(i, float(trial + i)) for i in range(4)]
    assert announced(processor) == ids
    configs = [body["evidence"]["wandb"]["config"] for body in processor.detections]
    assert configs == [{"lr": 0}, {"lr": 1}, {"lr": 2}]


def test_a_run_resumed_by_its_id_is_announced_once(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import wandb
        for part in range(2):
            run = wandb.init(id="same")
            run.log({"part": part})
            run.finish()
        """
    )
    assert processor.series("part", "same") == [(0, 0.0), (0, 1.0)]
    assert announced(processor) == ["same"]
    assert processor.lives() == {"same": ["started", "finished 0 finish"] * 2}


def test_an_init_that_returns_the_same_run_announces_nothing(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import wandb
        first = wandb.init(id="only")
        first.log({"loss": 0})
        second = wandb.init()
        assert second is first
        second.log({"loss": 1})
        second.finish()
        """
    )
    assert processor.series("loss", "only") == [(0, 0.0), (1, 1.0)]
    assert announced(processor) == ["only"]
    assert processor.lives() == {"only": ["started", "finished 0 finish"]}


@several_at_once
def test_threads_with_a_run_each(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import threading
        import wandb

        def train(number):
            run = wandb.init(id=f"run-{number}", reinit="create_new")
            run.define_metric("val", step_metric="epoch" if number % 2 else "iteration")
            ready.wait()
            for i in range(50):
                run.log({"loss": number * 1000 + i, "val": i, "epoch": 2 * i, "iteration": 3 * i})
            run.finish()

        wandb.setup()  # its own first set-up is not safe for threads: one might be asked for a key
        ready = threading.Barrier(4)
        threads = [threading.Thread(target=train, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """
    )
    for number in range(4):
        run_id = f"run-{number}"
        factor = 2 if number % 2 else 3
        assert processor.series("loss", run_id) == [(i, float(number * 1000 + i)) for i in range(50)]
        assert processor.series("val", run_id) == [(factor * i, float(i)) for i in range(50)]
    assert sorted(announced(processor)) == [f"run-{number}" for number in range(4)]


def test_threads_that_share_a_run(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import threading
        import wandb

        def work(number):
            ready.wait()
            for i in range(100):
                run.log({f"of-{number}": i}, commit=False)

        run = wandb.init(id="shared")
        ready = threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.finish()
        """
    )
    for number in range(4):
        assert processor.series(f"of-{number}", "shared") == [(0, float(i)) for i in range(100)]
    assert len(processor.points) == 400
    assert announced(processor) == ["shared"]


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_a_disabled_run_is_not_reported(scripts: ScriptRunner, processor: Processor, how: str) -> None:
    finished = scripts.run(
        f"""
        import wandb
        run = wandb.init({'mode="disabled"' if how == "argument" else ""})
        run.define_metric("val", step_metric="epoch")
        run.log({{"loss": 1}})
        wandb.log({{"loss": 2, "val": 1, "epoch": 7}})
        run.finish()
        print("done")
        """,
        environ={"WANDB_MODE": "disabled"} if how == "environment" else {},
    )
    assert finished.stdout == "done\n"
    assert "hook installed" in finished.debug
    assert processor.received == []


def test_a_run_after_a_disabled_one_is_reported(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        """
        import wandb
        disabled = wandb.init(mode="disabled")
        disabled.log({"loss": 1})
        disabled.finish()
        run = wandb.init(id="real")
        run.log({"loss": 2})
        run.finish()
        """
    )
    assert processor.points == [Point("real", "loss", 0, 2.0)]
    assert announced(processor) == ["real"]
