"""The hook reports an import of wandb, however it comes about, and leaves no trace on the module."""

from __future__ import annotations

import pytest

from .support.hooking import ARMED_BY_SCRIPT, LOG_THREE, START, THREE, installations, script
from .support.processor import Processor
from .support.scripts import ScriptRunner
from .support.versions import WANDB


def test_probes_from_any_thread_change_nothing(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(
        script(
            """
            import importlib.util
            import sys
            import threading

            def probe():
                ready.wait()
                for _ in range(50):
                    assert importlib.util.find_spec("wandb").name == "wandb"

            ready = threading.Barrier(4)
            threads = [threading.Thread(target=probe) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert "wandb" not in sys.modules
            import wandb
            importlib.util.find_spec("wandb")
            """,
            LOG_THREE,
        )
    )
    assert installations(finished) == 1
    assert processor.series("loss") == THREE


@pytest.mark.skipif(WANDB < (0, 19), reason="it hangs without us, too")
def test_threads_that_import_while_others_probe_do_not_block_each_other(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import importlib
        import importlib.util
        import threading

        def work(number):
            ready.wait()
            for _ in range(20):
                importlib.util.find_spec("wandb")
            importlib.import_module("wandb" if number % 2 else "wandb.errors")

        ready = threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        """
    )
    assert installations(finished) == 1


def test_spec_loader_source_and_resources_are_the_genuine_ones(scripts: ScriptRunner) -> None:
    source = """
        import importlib.resources
        import importlib.util
        import inspect
        import pkgutil

        def look(spec):
            print(type(spec), type(spec.loader), sorted(vars(spec)))
            print(spec.origin, spec.submodule_search_locations, spec.cached, spec.has_location)
            print(spec.loader.get_filename("wandb"), spec.loader.is_package("wandb"))
            print(len(spec.loader.get_source("wandb")), spec.loader.get_code("wandb").co_name)

        look(importlib.util.find_spec("wandb"))
        import wandb
        look(wandb.__spec__)
        look(importlib.util.find_spec("wandb"))
        print(sorted(vars(wandb.__loader__)), wandb.__loader__ is wandb.__spec__.loader)
        print(sorted(name for name in vars(wandb) if name.startswith("__")))
        print(importlib.resources.files("wandb").joinpath("py.typed").is_file())
        print(sorted(entry.name for entry in importlib.resources.files("wandb").iterdir()))
        print(len(pkgutil.get_data("wandb", "__init__.py")))
        print(len(inspect.getsource(wandb)), inspect.getsourcefile(wandb), inspect.getfile(wandb))
        print(inspect.getmodule(wandb.init).__name__, inspect.getdoc(wandb.init))
        print(len(inspect.getsource(wandb.init)))
    """
    hooked = scripts.run(source)
    assert installations(hooked) == 1
    assert hooked.stdout == scripts.run(source, hooked=False).stdout


def test_a_spec_found_by_a_probe_can_be_executed_by_hand(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import importlib.util
        import sys
        spec = importlib.util.find_spec("wandb")
        wandb = importlib.util.module_from_spec(spec)
        sys.modules["wandb"] = wandb
        spec.loader.exec_module(wandb)
        print("exec_module" in vars(spec.loader), wandb.Settings.__name__)
        """
    )
    assert finished.stdout == "False Settings\n"
    assert installations(finished) == 1


def test_wandb_imported_before_the_hook_is_armed(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(
        script(
            "import wandb\nearly = wandb.init(id='early')",
            START,
            """
            bootstrap.start()
            early.log({"loss": 7})
            early.finish()
            """,
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert installations(finished) == 1
    assert processor.series("loss", "early") == [(0, 7.0)]
    assert processor.series("loss") == [(0, 7.0), *THREE]
    assert len(processor.detections) == 2


def test_a_reload_keeps_each_call_reported_once(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(
        script(
            """
            import importlib
            import wandb
            for _ in range(3):
                importlib.reload(wandb)
            assert not hasattr(wandb.init.__wrapped__, "__primus_lens_original__")
            """,
            LOG_THREE,
        )
    )
    assert installations(finished) == 4
    assert processor.series("loss") == THREE
    assert len(processor.detections) == 1


def test_wandb_taken_out_and_imported_anew_is_hooked_again(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        script(
            """
            import sys
            import wandb
            for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
                del sys.modules[name]
            import wandb
            """,
            LOG_THREE,
        )
    )
    assert processor.series("loss") == THREE
    assert len(processor.detections) == 1
