"""The hook beside other hooks, in a broken package, and where wandb is missing or fails."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .support.hooking import (
    ARMED_BY_SCRIPT,
    LOG_THREE,
    START,
    THREE,
    WITHOUT_WANDB,
    installations,
    script,
)
from .support.processor import Processor
from .support.scripts import HOOK_FOLDER, REPOSITORY, ScriptRunner

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
