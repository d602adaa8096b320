"""Whatever goes wrong inside us, a training script does not notice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .support.processor import Processor
from .support.scripts import ScriptRunner
from .support.twice import QUIET, as_without_us

# Breaks one of our functions, where there are any of ours, and notes in a file that it was called.
SABOTEUR = """
import contextlib
import functools
import importlib.util
import os
import sys

PACKAGE = "primus_lens_wandb_exporter"

@contextlib.contextmanager
def broken(place):
    if os.environ["PRIMUS_LENS_WANDB_HOOK"] != "true":
        yield
        return
    module, _, path = place.partition(":")
    importlib.util.find_spec("wandb")
    owner = importlib.import_module(PACKAGE + "." + module)
    *owners, name = path.split(".")
    owner = functools.reduce(getattr, owners, owner)
    genuine = getattr(owner, name)

    def fail(*args, **kwargs):
        with open("hits.txt", "a") as hits:
            hits.write(place + "\\n")
        raise RuntimeError("sabotage")

    setattr(owner, name, fail)
    yield
    setattr(owner, name, genuine)

def break_for_good(place):
    context = broken(place)
    context.__enter__()
    kept.append(context)

kept = []
"""

AT_IMPORT = ["exporter:load", "wandb_hook:get_exporter", "patching:Patches.wrap"]
AT_INIT = [
    "wandb_hook:_is_disabled",
    "wandb_hook:describe",
    "wandb_hook:_RunState",
    "exporter:Detection",
    "exporter:Exporter._ready_worker",
    "delivery.worker:Worker.wake",
]
AT_LOG = [
    "wandb_hook:_report_call",
    "wandb_hook:_state_of",
    "wandb_hook:capture",
    "wandb_hook:to_step",
    "wandb_hook:default_step",
    "wandb_hook:group_by_step",
    "wandb_hook:plain_numbers",
    "steps:StepMetrics.define",
    "capture:_sort",
    "exporter:Exporter.record",
    "exporter:Exporter.skip",
    "wandb_hook:_record_by_step_metric",
    "delivery.queue:BoundedQueue.put",
    "delivery.worker:Worker.flush",
]
AT_EXIT = ["delivery.worker:Worker.stop"]


@pytest.fixture
def saboteur(scripts: ScriptRunner) -> Iterator[Path]:
    """Put the module `saboteur` beside the script; yield the file that names what was called."""
    (scripts.folder / "saboteur.py").write_text(SABOTEUR)
    return scripts.folder / "hits.txt"


USE_WANDB = """
    with saboteur.broken(place):
        print(place)
        run.define_metric("val", step_metric="epoch")
        print(run.log({"loss": 1, "note": "n", "odd": None, "val": 2, "epoch": 3}))
        print(wandb.log({"loss": 2}, step=run.step))
        try:
            run.log([1])
        except Exception as error:
            print(type(error), error)
"""


@pytest.mark.parametrize("place", AT_IMPORT)
def test_a_fault_while_wandb_is_imported_goes_unnoticed(
    scripts: ScriptRunner, saboteur: Path, place: str
) -> None:
    as_without_us(
        scripts,
        f"""
        import saboteur
        with saboteur.broken("{place}"):
            import wandb
        run = wandb.init()
        print(run.log({{"loss": 1}}))
        run.finish()
        raise ValueError("of the user")
        """,
    )
    assert place in saboteur.read_text().splitlines()


def test_a_fault_in_any_of_our_functions_goes_unnoticed(scripts: ScriptRunner, saboteur: Path) -> None:
    finished = as_without_us(
        scripts,
        f"""
import saboteur
import wandb
for place in {AT_INIT}:
    with saboteur.broken(place):
        run = wandb.init()
        print(run.log({{"loss": 1}}), place)
        print(run.finish())
run = wandb.init()
for place in {AT_LOG}:
{USE_WANDB}
with saboteur.broken("delivery.worker:Worker.flush"):
    print(run.finish())
wandb.init().log({{"loss": 1}})
for place in {AT_EXIT}:
    saboteur.break_for_good(place)
raise ValueError("of the user")
""",
    )
    assert finished.status == 1
    assert set(saboteur.read_text().splitlines()) == {*AT_INIT, *AT_LOG, *AT_EXIT}


def test_a_process_that_can_start_no_thread_goes_on(scripts: ScriptRunner) -> None:
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
    assert hooked._replace(debug="") == without
    assert hooked.debug.count("\n") == hooked.debug.count("data is being lost") == 1


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
