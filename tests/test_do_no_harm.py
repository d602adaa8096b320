"""A training script behaves the same with us as without us."""

from __future__ import annotations

import pytest

from .support.processor import Processor
from .support.scripts import ScriptRunner
from .support.twice import as_without_us
from .support.wandb_file import find_files, read_history, run_id


def test_wandb_records_the_same_history(scripts: ScriptRunner, processor: Processor) -> None:
    source = """
        import math
        import numpy as np
        import wandb
        run = wandb.init(config={"lr": 0.1})
        run.define_metric("val/*", step_metric="epoch")
        for i in range(20):
            wandb.log({"loss": 1 / (i + 1), "np": np.float32(i), "deep": {"er": i, "text": "t"}})
        run.log({"a": 1, "yes": True, "nan": math.nan}, commit=False)
        run.log({"b": [1, 2], "histogram": wandb.Histogram([1, 2, 3])})
        run.log({"val/acc": 0.5, "epoch": 1, "global_step": 7}, step=40)
        run.log({"late": 1}, step=3)
        run.log({"last": np.array([1.5])}, 41, True)
        run.finish()
    """
    for name, hooked in (("with", True), ("without", False)):
        scripts.run(source, hooked=hooked, environ={"WANDB_RUN_ID": name})
    histories = {run_id(path): read_history(path) for path in find_files(scripts.folder)}
    assert len(histories["without"]) == 23
    assert repr(histories["with"]) == repr(histories["without"])
    assert set(processor.by_run()) == {"with"}


def test_the_debug_log_stays_out_of_the_users_run(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import sys
        import wandb
        run = wandb.init()
        run.log({"loss": 1})
        print("words of the user", file=sys.stderr)
        run.finish()
        """
    )
    assert "wandb.init seen" in finished.debug
    (path,) = find_files(scripts.folder)
    recorded = path.read_bytes()
    assert b"words of the user" in recorded
    assert b"Primus Lens" not in recorded


def test_wandb_receives_the_very_objects_of_the_caller(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import inspect
        import wandb

        Run = wandb.sdk.wandb_run.Run
        genuine = Run._log
        received = []
        def spy(*args, **kwargs):
            received.append(inspect.signature(genuine).bind(*args, **kwargs).arguments)
            return genuine(*args, **kwargs)
        Run._log = spy

        config = {"lr": 0.1, "deep": {"er": 1}}
        before = repr(config)
        run = wandb.init(config=config)
        assert repr(config) == before

        text, deep, steps = "t" * 50, {"er": 2.5}, [10**6, 10**7]
        data = {"loss": 0.1, "text": text, "deep": deep, "none": None}
        items = list(data.items())
        assert run.log(data, steps[0], True) is None
        assert wandb.log(data=data, step=steps[1]) is None
        assert len(received) == 2
        for arguments, step in zip(received, steps):
            assert arguments["self"] is run
            assert arguments["data"] is data
            assert arguments["step"] is step
        assert received[0]["commit"] is True
        assert len(data) == len(items)
        assert all(a is c and b is d for (a, b), (c, d) in zip(data.items(), items))
        assert deep == {"er": 2.5}
        run.finish()
        """
    )
    assert processor.series("deep.er") == [(10**6, 2.5), (10**7, 2.5)]


def test_what_can_be_asked_of_wandbs_functions_is_as_without_us(scripts: ScriptRunner) -> None:
    finished = as_without_us(
        scripts,
        """
        import inspect
        import pickle
        import re
        import wandb
        from wandb.sdk import wandb_init, wandb_run

        Run = wandb_run.Run
        for function in (wandb.init, Run.log, Run.define_metric, Run.finish, Run._finish, Run.__exit__):
            print(re.sub(" at 0x[0-9a-f]+", "", str(inspect.signature(function))))
            print(function.__module__, function.__name__, function.__qualname__, type(function))
            print(function.__doc__, function.__annotations__, len(inspect.getsource(function)))
            print(inspect.iscoroutinefunction(function), inspect.isfunction(function))
        print(wandb.init is wandb_init.init, wandb.init is wandb.sdk.init)
        print(pickle.dumps(wandb.init), pickle.loads(pickle.dumps(wandb.init)) is wandb.init)
        print(sorted(vars(wandb)), sorted(vars(Run)))
        print(Run.__mro__, Run.__name__, Run.__module__)
        """,
    )
    assert finished.status == 0


def test_a_run_is_wandbs_own_and_nothing_is_added_to_it(scripts: ScriptRunner) -> None:
    finished = as_without_us(
        scripts,
        """
        import copy
        import pickle
        import wandb
        from wandb.sdk.wandb_run import Run

        run = wandb.init(config={"lr": 0.1})
        print(run.log({"loss": 1}), wandb.run is run, run.log.__func__ is Run.log)
        print(isinstance(run, Run), type(run) is Run, isinstance(run, getattr(wandb, "Run", Run)))
        print(wandb.log == run.log, wandb.init() is run)
        print(sorted(vars(run)), sorted(dir(run)))
        print(dict(run.config), sorted(run.summary.keys()), copy.deepcopy(run) is run)
        print(sorted(run.__getstate__()))
        try:
            print(type(pickle.loads(pickle.dumps(run))))
        except Exception as error:
            print(type(error), error)
        print(run.finish())
        """,
    )
    assert finished.status == 0


def test_what_wandb_refuses_is_refused_alike_and_not_reported(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = as_without_us(
        scripts,
        """
        import wandb

        def attempt(what, *args, **kwargs):
            try:
                print("no error:", what(*args, **kwargs))
            except Exception as error:
                print(type(error), error.args)

        attempt(wandb.log, {"refused": 1})
        attempt(wandb.init, "no such", "positional", nonsense=1)
        run = wandb.init(id="run")
        attempt(run.log, [("refused", 1)])
        attempt(run.log, None)
        attempt(run.log, {1: 2})
        attempt(run.log)
        attempt(run.log, {"refused": 1}, nonsense=1)
        attempt(run.log, {"refused": 1}, step="x")
        attempt(run.log, {"refused": 1}, 1, True, 1, 1, 1)
        attempt(run.define_metric, "m", step_metric=5)
        run.log({"taken": 1})
        run.finish()
        attempt(run.log, {"refused": 1})
        attempt(wandb.log, {"refused": 1})
        attempt(run.finish)
        """,
    )
    assert finished.status == 0
    assert finished.stdout.count("<class") >= 10
    assert [point.name for point in processor.points] == ["taken"]


ENDINGS = {
    "at its end": "pass",
    "exit status": "sys.exit(3)",
    "exit message": "sys.exit('good-bye')",
    "exception": "raise ValueError('of the user')",
    "interrupt": "raise KeyboardInterrupt",
    "in a run's block": "with run:\n    run.log({'loss': 2})\n    raise ValueError('of the user')",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_ends_as_without_us_and_we_say_nothing(
    scripts: ScriptRunner, processor: Processor, ending: str
) -> None:
    first = "import sys\nimport wandb\nrun = wandb.init()\nrun.log({'loss': 1})\nprint('out')\n"
    finished = as_without_us(scripts, first + ENDINGS[ending])
    assert finished.stdout == "out\n"
    assert "Primus" not in finished.stderr + finished.debug
    assert (0, 1.0) in processor.series("loss")
