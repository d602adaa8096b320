"""Switched off it is as if not installed; switched on, a trigger is all until wandb is looked for."""

from __future__ import annotations

import json

import pytest

from primus_lens_wandb_exporter.bootstrap import hook_enabled

from .support.processor import Processor
from .support.scripts import HOOK_FOLDER, REPOSITORY, ScriptRunner

PACKAGE = "primus_lens_wandb_exporter"

# Without `site`, so that what an interpreter has loaded by itself is known to the last module.
BARE_START = """
import sys
import threading
finders, modules, threads = list(sys.meta_path), set(sys.modules), threading.enumerate()
import sitecustomize
print(sorted(set(sys.modules) - modules - {"sitecustomize"}))
print(len(sys.meta_path) - len(finders), threading.enumerate() == threads)
import colorsys, json
print(len(sys.meta_path) - len(finders), threading.enumerate() == threads)
print(sorted(name for name in sys.modules if name.startswith("primus_lens")))
"""


def test_switched_on_there_is_one_small_module_and_no_thread(scripts: ScriptRunner) -> None:
    finished = scripts.run(BARE_START, options=["-S"], environ={"PRIMUS_LENS_WANDB_HOOK": ""})
    assert finished.stdout.splitlines() == [
        "['_primus_lens_wandb_exporter']",
        "1 True",
        "1 True",
        "[]",
    ]
    assert (finished.stderr, finished.debug) == ("", "")


def test_switched_off_there_is_no_finder_and_no_thread(scripts: ScriptRunner) -> None:
    finished = scripts.run(BARE_START, options=["-S"], environ={"PRIMUS_LENS_WANDB_HOOK": "false"})
    loaded, at_start, later, ours = finished.stdout.splitlines()
    assert set(json.loads(loaded.replace("'", '"'))) <= {
        "_primus_lens_wandb_exporter",
        PACKAGE,
        f"{PACKAGE}.bootstrap",
        "__future__",
    }
    assert (at_start, later) == ("0 True", "0 True")
    assert set(json.loads(ours.replace("'", '"'))) <= {PACKAGE, f"{PACKAGE}.bootstrap"}
    assert (finished.stderr, finished.debug) == ("", "")


def test_switched_off_a_whole_run_goes_past_us(scripts: ScriptRunner, processor: Processor) -> None:
    source = """
        import importlib
        import sys
        import threading
        import wandb
        from wandb.sdk import wandb_init, wandb_run

        def untouched(function):
            return not hasattr(function, "__primus_lens_original__") and (
                function.__code__.co_filename.endswith((".py", ".pyc"))
                and "primus_lens" not in function.__code__.co_filename.rpartition("wandb")[0]
            )

        for module in (wandb, wandb.sdk, wandb_init):
            assert module.init is importlib.import_module("wandb.sdk.wandb_init").init
            assert module.init.__module__ == "wandb.sdk.wandb_init"
            assert not hasattr(module.init, "__wrapped__")
        run = wandb.init()
        run.log({"loss": 1})
        print(sorted(thread.name for thread in threading.enumerate() if "primus" in thread.name))
        run.finish()
        print(sorted(name for name in vars(wandb_run.Run) if "primus" in name))
        print(sorted(type(finder).__module__ for finder in sys.meta_path if "primus" in repr(finder)))
        print(sorted(name for name in sys.modules if name.startswith("primus_lens_wandb_exporter.")))
    """
    finished = scripts.run(source, environ={"PRIMUS_LENS_WANDB_HOOK": "false"})
    *nothing, modules = finished.stdout.splitlines()
    assert nothing == ["[]"] * 3
    assert modules in ("[]", f"['{PACKAGE}.bootstrap']")
    assert (finished.stderr, finished.debug) == ("", "")
    assert processor.received == []


@pytest.mark.parametrize("word", ["false", "FALSE", " no ", "0", "off"])
def test_words_that_switch_it_off(word: str) -> None:
    assert not hook_enabled({"PRIMUS_LENS_WANDB_HOOK": word})


@pytest.mark.parametrize("word", ["true", "True", "1", "yes", "on", "", "fasle"])
def test_words_that_leave_it_on(word: str) -> None:
    assert hook_enabled({"PRIMUS_LENS_WANDB_HOOK": word})


def test_unset_it_is_on() -> None:
    assert hook_enabled({})


def test_starting_by_hand_heeds_the_switch(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import sys
        from primus_lens_wandb_exporter import bootstrap
        finders = list(sys.meta_path)
        bootstrap.start()
        print(sys.meta_path == finders)
        """,
        hooked=False,
        pythonpath=[REPOSITORY],
    )
    assert finished.stdout == "True\n"
    assert HOOK_FOLDER.is_dir()
