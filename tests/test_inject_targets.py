"""What an injected folder meets: other Pythons, another `sitecustomize`, our own wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from .support.injection import injected
from .support.installation import COUNT_FINDERS, Environment, run_python
from .support.pythons import OLD, PLAIN, SUPPORTED

THEIRS = "import sys\nsys.stdout.write('theirs\\n')\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return injected(tmp_path_factory.mktemp("injected"))


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with somebody's `sitecustomize`, which says `theirs`."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(THEIRS)
    return folder


@pytest.mark.parametrize("python", SUPPORTED, ids=lambda path: path.name)
def test_another_supported_python_is_armed_once_and_runs_theirs(
    python: Path, folder: Path, theirs: Path
) -> None:
    finished = run_python(python, COUNT_FINDERS, pythonpath=f"{folder}:{theirs}")
    assert (finished.stdout, finished.stderr) == ("theirs\n1\n", "")


@pytest.mark.parametrize("python", OLD, ids=lambda path: path.name)
def test_an_old_python_is_not_armed_and_runs_theirs(python: Path, folder: Path, theirs: Path) -> None:
    finished = run_python(python, COUNT_FINDERS, pythonpath=f"{folder}:{theirs}")
    assert (finished.stdout, finished.stderr) == ("theirs\n0\n", "")


@pytest.mark.parametrize("python", [*SUPPORTED, *OLD], ids=lambda path: path.name)
def test_the_path_is_as_the_user_put_it(python: Path, folder: Path, theirs: Path) -> None:
    path = [str(folder), "/first", str(theirs), "/last"]
    code = f"import sys; print([entry for entry in sys.path if entry in {path}] == {path})"
    assert run_python(python, code, pythonpath=":".join(path)).stdout == "theirs\nTrue\n"


def test_wheel_and_folder_at_once_arm_it_once(wheel: Path, folder: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    environment.install(wheel)
    code = f"{COUNT_FINDERS}\nimport primus_lens_wandb_exporter as package; print(package.__file__)"
    finished = environment.run(code, pythonpath=f"{folder}:{folder}")
    chosen = folder / "primus_lens_wandb_exporter" / "__init__.py"
    assert (finished.stdout, finished.stderr) == (f"1\n{chosen}\n", "")


def test_behind_one_that_runs_no_other_it_is_armed_as_usercustomize(folder: Path, theirs: Path) -> None:
    """Where there is one: a virtual environment has none."""
    finished = run_python(PLAIN, COUNT_FINDERS, pythonpath=f"{theirs}:{folder}")
    assert (finished.stdout, finished.stderr) == ("theirs\n1\n", "")


def test_the_users_own_usercustomize_runs_once(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "usercustomize.py").write_text(THEIRS)
    code = f"{COUNT_FINDERS}\nimport usercustomize; print(usercustomize.__file__)"
    finished = run_python(PLAIN, code, pythonpath=f"{folder}:{tmp_path}")
    assert finished.stdout == f"theirs\n1\n{tmp_path / 'usercustomize.py'}\n"
    assert finished.stderr == ""


GONE = "sys.modules.update(dict.fromkeys(('_frozen_importlib', '_frozen_importlib_external')))\n"
NEW_PYTHONS = {
    "a new major version": ("sys.version_info = (4, 0, 0, 'final', 0)\n", "[True]"),
    "private modules gone": ("import importlib.util\n" + GONE, "[True]"),
    "public ones other": (
        "import importlib.machinery, importlib.util\n"
        "del importlib.util.module_from_spec, importlib.machinery.PathFinder\n" + GONE,
        "[False]",
    ),
    "a meta path that nobody may change": ("sys.meta_path = tuple(sys.meta_path)\n", "[]"),
}
START = """
import colorsys, site
site.main()
import importlib.util
importlib.util.find_spec("wandb")
print([bool(finder.finder) for finder in sys.meta_path if type(finder).__name__ == "Trigger"])
"""


@pytest.mark.parametrize("sabotage", NEW_PYTHONS)
def test_a_python_that_does_not_exist_yet_starts_in_silence_and_runs_theirs(
    sabotage: str, folder: Path, theirs: Path, without_us: Environment
) -> None:
    code, live = NEW_PYTHONS[sabotage]
    pythonpath = f"{folder}:{theirs}"
    finished = without_us.run(f"import sys\n{code}{START}", options=["-S"], pythonpath=pythonpath)
    assert (finished.stdout, finished.stderr) == (f"theirs\n{live}\n", "")


def test_a_finder_that_is_asked_in_a_new_way_finds_nothing_and_raises_nothing(
    folder: Path, without_us: Environment
) -> None:
    code = (
        "import sys; (trigger,) = [f for f in sys.meta_path if type(f).__name__ == 'Trigger']\n"
        "print(trigger.find_spec('json', None, None, object(), lazy=True))\n"
        "print(trigger.find_spec('wandb', None, object(), lazy=True))"
    )
    finished = without_us.run(code, pythonpath=folder)
    assert finished.stderr == ""
    assert finished.stdout.startswith("None\n")
