"""Whatever goes wrong inside us, a training script does not notice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .support.processor import Processor
from .support.scripts import REPOSITORY, ScriptRunner
from .support.twice import QUIET, as_without_us
from .support.versions import WANDB

# Some of those that are called, to see that the tests reach them.
BY_THE_TRAINING_THREAD = {
    "capture:capture",
    "delivery.queue:BoundedQueue.put",
    "delivery.worker:Worker.flush",
    "evidence.run:describe",
    "detection:Detector.meet",
    "exporter:Exporter.announce",
    "exporter:Exporter.conclude",
    "exporter:Exporter.record",
    "run_events:RunEvents.begin",
    "run_events:RunEvents.end",
    "steps:StepMetrics.define",
    "wandb_hook:_meet",
    "wandb_hook:_report_call",
}
FROM_IMPORT_TO_EXIT = BY_THE_TRAINING_THREAD | {
    "bootstrap:_on_wandb",
    "bootstrap:make_finder",
    "delivery.http_sink:HttpSink.send",
    "delivery.lane:Lane.__init__",
    "delivery.lane:Lane.settle",
    "delivery.worker:Worker._round",
    "delivery.worker:Worker.ensure_running",
    "delivery.worker:Worker.stop",
    "detection:Detector.pack",
    "evidence:Collector.collect",
    "exporter:get_exporter",
    "herald:Herald.close",
    "import_hook:PostImportFinder._ask_the_others",
    "import_hook:PostImportFinder._shadow_exec_module",
    "lifecycle:call_at_exit",
    "lifecycle:read_ending",
    "patching:Patches.wrap",
    "payloads:_points",
    "settings:load",
    "wandb_hook:install",
}

IMPATIENT = {
    **QUIET,
    "PRIMUS_LENS_WANDB_FINISH_TIMEOUT": "0.05",
    "PRIMUS_LENS_WANDB_SHUTDOWN_TIMEOUT": "0.2",
    "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.05",
}

# What the hook looks for in wandb, so that a child need not start wandb's service.
STAND_IN = """
class Run:
    id = name = project = "stand-in"
    tags = ()
    _local_step = 0

    def __init__(self, config=None):
        self.config = config

    def log(self, data, step=None, commit=None):
        if not isinstance(data, dict):
            raise TypeError("wandb.log must be passed a dictionary")
        self._local_step += 1

    def define_metric(self, name, step_metric=None):
        self.name, self.step_metric = name, step_metric
        return self

    def finish(self):
        return "finished"
"""

USE_WANDB = """
import wandb

def use_wandb():
    run = wandb.init(config={"lr": 0.1, "api_key": "x"})
    yield run.define_metric("val", step_metric="epoch") is None
    yield run.log({"loss": 1})
    yield run.log({"loss": 1, "note": "n", "odd": None, "val": 2, "epoch": 3, "deep": {"er": 1}})
    yield run.log({"loss": 2, "nan": float("nan")}, step=50)
    yield run.log({"late": 1}, step=2)
    try:
        yield run.log([1])
    except Exception as error:
        yield repr(error)
    yield run.finish()
"""


@pytest.fixture(autouse=True)
def hits(scripts: ScriptRunner, processor: Processor) -> Iterator[Path]:
    """Put the module `saboteur` beside the script; yield the file that names what was called."""
    shutil.copy(REPOSITORY / "tests" / "support" / "saboteur.py", scripts.folder)
    yield scripts.folder / "hits.txt"
    processor.violations.clear()  # evidence whose collection was broken is left out


@pytest.mark.skipif(WANDB < (0, 19), reason="a run takes seconds, and there is one for each function")
def test_a_fault_in_any_function_that_a_training_thread_enters_goes_unnoticed(
    scripts: ScriptRunner, hits: Path
) -> None:
    finished = as_without_us(
        scripts,
        f"""{USE_WANDB}
import saboteur

expected = list(use_wandb())
print(expected)
for site in saboteur.called_by(lambda: list(use_wandb())):
    with saboteur.broken(site):
        said = list(use_wandb())
    if said != expected:
        print(site, said)
raise ValueError("of the user")
""",
        IMPATIENT,
        timeout=100,
    )
    assert finished.status == 1
    assert set(hits.read_text().splitlines()) >= BY_THE_TRAINING_THREAD


def test_a_fault_in_any_function_of_ours_goes_unnoticed_from_import_to_exit(
    scripts: ScriptRunner, hits: Path
) -> None:
    (scripts.folder / "wandb" / "sdk").mkdir(parents=True)
    (scripts.folder / "wandb" / "__init__.py").write_text("from .sdk.wandb_init import init\n")
    (scripts.folder / "wandb" / "sdk" / "__init__.py").write_text("")
    (scripts.folder / "wandb" / "sdk" / "wandb_run.py").write_text(STAND_IN)
    (scripts.folder / "wandb" / "sdk" / "wandb_init.py").write_text(
        "from .wandb_run import Run\ndef init(**kwargs):\n    return Run(**kwargs)\n"
    )
    source = f"""
import saboteur
saboteur.load()
saboteur.go_on_in_children()
{USE_WANDB}
print(list(use_wandb()))
wandb.init().log({{"loss": 1}})
raise ValueError("of the user")
"""
    (without,) = json.loads(scripts.run(source, hooked=False, environ=IMPATIENT).stdout).values()
    assert without[0] == 256
    ends = json.loads(scripts.run(source, environ=IMPATIENT, timeout=100).stdout)
    for end in ends.values():  # the one line about losses is ours to print
        end[2] = "".join(x for x in end[2].splitlines(keepends=True) if "data is being lost" not in x)
    assert {site: end for site, end in ends.items() if end != without} == {}
    assert set(hits.read_text().splitlines()) >= FROM_IMPORT_TO_EXIT


def test_a_process_that_can_start_no_thread_delivers_at_its_end(
    scripts: ScriptRunner, processor: Processor
) -> None:
    source = """
        import threading
        import wandb

        start = threading.Thread.start
        def start_unless_ours(self):
            if self.name.startswith("primus"):
                raise RuntimeError("can't start new thread")
            start(self)
        threading.Thread.start = start_unless_ours

        for _ in range(2):
            run = wandb.init()
            print(run.log({"loss": 1}))
            print(run.finish())
    """
    without = scripts.run(source, hooked=False, environ=QUIET)
    hooked = scripts.run(source, environ=QUIET)
    assert hooked == without
    assert processor.series("loss") == [(0, 1.0), (0, 1.0)]


def test_a_value_that_cannot_be_read_takes_no_other_with_it(
    scripts: ScriptRunner, processor: Processor
) -> None:
    as_without_us(
        scripts,
        """
        import wandb

        class Number(float):
            def __float__(self):
                raise RuntimeError("no number")

        run = wandb.init()
        print(run.log({"before": 1, "odd": Number(2), "after": 3}))
        run.finish()
        """,
    )
    assert [point.name for point in processor.points] == ["before", "after"]
