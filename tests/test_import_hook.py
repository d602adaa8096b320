"""The hook reports an import of wandb, however it comes about, and leaves no trace on the module.

That it is live shows in the debug log: one line "hook installed" each time wandb was executed.
"""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest

from .support.processor import Processor
from .support.scripts import HOOK_FOLDER, REPOSITORY, Finished, ScriptRunner

# A notebook, or an interpreter without `site`: the script itself arms the hook, when it likes.
ARMED_BY_SCRIPT: dict[str, Any] = {"hooked": False, "pythonpath": [REPOSITORY]}
WITHOUT_WANDB: dict[str, Any] = {"hooked": False, "options": ["-S"], "pythonpath": [REPOSITORY]}

START = """
import os
os.environ.pop("PRIMUS_LENS_WANDB_HOOK", None)
from primus_lens_wandb_exporter import bootstrap
"""

# Up to wandb 0.16 its service is a Python too, which would write its own line into the debug log.
LOG_THREE = """
import os
os.environ["PRIMUS_LENS_WANDB_HOOK"] = "false"
run = wandb.init()
for i in range(3):
    wandb.log({"loss": i})
run.finish()
"""
THREE = [(0, 0.0), (1, 1.0), (2, 2.0)]


def script(*parts: str) -> str:
    """Return one source of several, each indented as it likes."""
    return "\n".join(map(textwrap.dedent, parts))


def installations(finished: Finished) -> int:
    return finished.debug.count("hook installed")


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


FACTS = """
def facts():
    from wandb.sdk import wandb_init, wandb_run
    run = wandb_run.Run
    return [wandb.init, wandb.sdk.init, wandb_init.init, run.log, run.define_metric, run._finish]
"""


def test_uninstall_restores_everything(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        script(
            "import sys\nimport wandb",
            FACTS,
            START,
            """
            finders = list(sys.meta_path)
            before = facts()
            bootstrap.start()
            assert sys.meta_path != finders
            assert all(now is not then for now, then in zip(facts(), before))
            bootstrap.uninstall()
            assert sys.meta_path == finders
            assert all(now is then for now, then in zip(facts(), before))
            bootstrap.uninstall()
            """,
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert processor.received == []


def test_a_hook_can_be_armed_again_after_uninstall(scripts: ScriptRunner, processor: Processor) -> None:
    scripts.run(
        script(
            "import wandb",
            START,
            "bootstrap.start()\nbootstrap.uninstall()\nbootstrap.start()",
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert processor.series("loss") == THREE


def test_uninstall_before_the_import_disarms_a_spec_found_earlier(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        import importlib.util
        import sys
        from primus_lens_wandb_exporter import bootstrap
        spec = importlib.util.find_spec("wandb")
        bootstrap.uninstall()
        sys.modules["wandb"] = wandb = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(wandb)
        assert not hasattr(wandb.init, "__wrapped__")
        """
    )
    assert installations(finished) == 0


def test_uninstall_leaves_alone_what_somebody_else_has_wrapped_since(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import wandb
        from primus_lens_wandb_exporter import bootstrap
        Run = wandb.sdk.wandb_run.Run
        ours = Run.log
        def theirs(self, *args, **kwargs):
            print("theirs")
            return ours(self, *args, **kwargs)
        Run.log = theirs
        bootstrap.uninstall()
        assert Run.log is theirs
        run = wandb.init()
        run.log({"loss": 1})
        run.finish()
        """
    )
    assert finished.stdout == "theirs\n"


def test_starting_twice_arms_once(scripts: ScriptRunner, processor: Processor) -> None:
    finished = scripts.run(
        script(
            START,
            """
            import sys
            for _ in range(3):
                bootstrap.start()
            assert sum("primus" in type(finder).__module__ for finder in sys.meta_path) == 1
            import wandb
            bootstrap.start()
            """,
            LOG_THREE,
        )
    )
    assert installations(finished) == 1
    assert processor.series("loss") == THREE


RAISES, NO_SYNTAX = "raise RuntimeError('broken')", "def ("


@pytest.mark.parametrize(
    ("broken", "flaw"),
    [
        (None, ""),
        ("bootstrap", NO_SYNTAX),
        ("import_hook", RAISES),
        ("wandb_hook", NO_SYNTAX),
        ("capture", RAISES),
        ("settings", NO_SYNTAX),
    ],
)
def test_a_broken_package_breaks_no_import(
    scripts: ScriptRunner, tmp_path: Path, broken: str | None, flaw: str
) -> None:
    package = tmp_path / "copy" / "primus_lens_wandb_exporter"
    shutil.copytree(REPOSITORY / package.name, package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HOOK_FOLDER, tmp_path / "copy" / "sitecustomize")
    if broken:
        (package / f"{broken}.py").write_text(flaw)
    finished = scripts.run(
        "import wandb\nprint(callable(wandb.init))",
        environ={"PRIMUS_LENS_WANDB_HOOK": "true"},
        hooked=False,
        pythonpath=[tmp_path / "copy" / "sitecustomize", tmp_path / "copy"],
    )
    assert (finished.stdout, finished.stderr) == ("True\n", "")
    assert installations(finished) == (broken is None)


def test_a_callback_that_raises_breaks_no_import(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        """
        from primus_lens_wandb_exporter import import_hook

        def callback(module):
            print("called for", module.__name__)
            raise RuntimeError("broken")

        import_hook.after_import("colorsys", callback)
        import colorsys
        print(colorsys.rgb_to_hsv(0, 0, 1)[2], import_hook.is_armed("colorsys"))
        """,
        **ARMED_BY_SCRIPT,
    )
    assert (finished.stdout, finished.stderr) == ("called for colorsys\n1 True\n", "")


# Like wrapt's post-import hooks: asks the whole meta path again and wraps the loader it gets.
ANOTHER_FINDER = """
import importlib.util
import sys

class Loader:
    def __init__(self, loader):
        self.loader = loader
    def create_module(self, spec):
        return self.loader.create_module(spec)
    def exec_module(self, module):
        self.loader.exec_module(module)
        print("their hook", module.__name__)
    def __getattr__(self, name):
        return getattr(self.loader, name)

class Finder:
    asking = False
    def find_spec(self, name, path=None, target=None):
        if name != "wandb" or self.asking:
            return None
        self.asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.asking = False
        spec.loader = Loader(spec.loader)
        return spec

def install_theirs():
    sys.meta_path.insert(0, Finder())
"""

WRAPT = """
import wrapt

def install_theirs():
    wrapt.register_post_import_hook(lambda module: print("their hook", module.__name__), "wandb")
"""


@pytest.mark.parametrize("order", ["theirs first", "ours first"])
@pytest.mark.parametrize("theirs", ["plain", "wrapt"])
def test_another_import_hook_and_ours_both_run_once(
    scripts: ScriptRunner, processor: Processor, theirs: str, order: str
) -> None:
    if theirs == "wrapt":
        pytest.importorskip("wrapt")
    calls = ["install_theirs()", "bootstrap.start()"]
    if order == "ours first":
        calls.reverse()
    finished = scripts.run(
        script(
            WRAPT if theirs == "wrapt" else ANOTHER_FINDER,
            START,
            *calls,
            "import importlib.util\nimportlib.util.find_spec('wandb')\nimport wandb",
            LOG_THREE,
        ),
        **ARMED_BY_SCRIPT,
    )
    assert finished.stdout == "their hook wandb\n"
    assert installations(finished) == 1
    assert processor.series("loss") == THREE


def test_without_wandb_its_import_fails_as_ever(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        script(
            START,
            """
            import importlib.util
            import traceback
            bootstrap.start()
            for _ in range(2):
                assert importlib.util.find_spec("wandb") is None
                try:
                    import wandb
                except ModuleNotFoundError as error:
                    print(type(error).__name__, error, error.name, error.__cause__, error.__context__)
                    print(len(traceback.extract_tb(error.__traceback__)))
            """,
        ),
        **WITHOUT_WANDB,
    )
    assert finished.stdout == "ModuleNotFoundError No module named 'wandb' wandb None None\n1\n" * 2
    assert (finished.stderr, finished.debug) == ("", "")


def test_a_plain_folder_named_wandb_is_nobody(scripts: ScriptRunner) -> None:
    (scripts.folder / "wandb" / "offline-run").mkdir(parents=True)
    finished = scripts.run(
        script(
            START,
            """
            bootstrap.start()
            import wandb
            print(len(list(wandb.__path__)), getattr(wandb, "__file__", None), hasattr(wandb, "init"))
            """,
        ),
        **WITHOUT_WANDB,
    )
    assert finished.stdout == "1 None False\n"
    assert (finished.stderr, finished.debug) == ("", "")


def test_an_import_that_fails_is_the_users_and_a_later_one_is_hooked(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        script(
            """
            import sys
            sys.modules["wandb.sdk"] = None
            try:
                import wandb
            except ImportError as error:
                print(type(error).__name__, error.name.startswith("wandb.sdk"))
            for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
                del sys.modules[name]
            import wandb
            """,
            LOG_THREE,
        )
    )
    assert finished.stdout == "ModuleNotFoundError True\n"
    assert installations(finished) == 1
    assert processor.series("loss") == THREE
