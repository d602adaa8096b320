"""Our `sitecustomize` stands in front of another one, and is never noticed by it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .support.installation import COUNT_FINDERS, run_python
from .support.pythons import OLD
from .support.scripts import HOOK_FOLDER


def in_front_of(folder: Path) -> str:
    return f"{HOOK_FOLDER}:{folder}"


def test_the_shadowed_one_runs_once_and_is_the_one_that_imports_see(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs'); value = 1")
    code = COUNT_FINDERS + "import sitecustomize; print(sitecustomize.__file__, sitecustomize.value)"
    finished = run_python(sys.executable, code, pythonpath=in_front_of(tmp_path))
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == ["theirs", "1", f"{tmp_path / 'sitecustomize.py'} 1"]


def test_what_the_shadowed_one_does_to_the_path_stays(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.path.insert(0, '/theirs')")
    finished = run_python(
        sys.executable, "import sys; print(sys.path)", pythonpath=in_front_of(tmp_path)
    )
    assert "'/theirs'" in finished.stdout


@pytest.mark.parametrize("theirs", ["raise RuntimeError('theirs')", "import theirs"])
def test_an_error_in_the_shadowed_one_is_reported_as_without_us(theirs: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(theirs)
    with_us = run_python(sys.executable, COUNT_FINDERS, pythonpath=in_front_of(tmp_path))
    without = run_python(
        sys.executable,
        COUNT_FINDERS,
        pythonpath=tmp_path,
        environ={"PRIMUS_LENS_WANDB_HOOK": "false"},
    )
    assert with_us.stdout == "1\n"
    assert with_us.stderr == without.stderr
    assert "theirs" in with_us.stderr


@pytest.mark.parametrize(
    "spelling", ["{}/", "{}//", "{0}/../{1}", "/proc/self/root{}", "{}:{}", "{}:{}/"]
)
def test_however_its_folder_is_spelled_the_shadowed_one_runs_once(spelling: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    ours = spelling.replace("{}", "{0}").format(HOOK_FOLDER, HOOK_FOLDER.name)
    finished = run_python(sys.executable, COUNT_FINDERS, pythonpath=f"{ours}:{tmp_path}:{HOOK_FOLDER}/.")
    assert (finished.stdout, finished.stderr) == ("theirs\n1\n", "")


def test_where_its_folder_is_on_the_path_by_a_relative_name_the_shadowed_one_runs_once(
    tmp_path: Path,
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    code = (
        f"import os, sys; os.chdir({str(HOOK_FOLDER)!r}); sys.path.insert(0, '.'); import sitecustomize"
    )
    finished = run_python(
        sys.executable, f"{code}\n{COUNT_FINDERS}", options=["-S"], pythonpath=tmp_path
    )
    assert (finished.stdout, finished.stderr) == ("theirs\n1\n", "")


def test_alone_it_says_nothing(tmp_path: Path) -> None:
    finished = run_python(sys.executable, COUNT_FINDERS, pythonpath=HOOK_FOLDER)
    assert (finished.stdout, finished.stderr) == ("1\n", "")


@pytest.mark.parametrize("switch", ["-I", "-E", "-S"])
def test_python_can_be_told_to_ignore_it(switch: str) -> None:
    finished = run_python(
        sys.executable,
        COUNT_FINDERS,
        options=[switch],
        pythonpath=HOOK_FOLDER,
        environ={"PRIMUS_LENS_WANDB_HOOK": "false"},
    )
    assert (finished.stdout, finished.stderr) == ("0\n", "")


@pytest.mark.parametrize("python", OLD, ids=lambda path: path.name)
def test_pythons_older_than_supported_start_silently_and_unarmed(python: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    finished = run_python(python, COUNT_FINDERS, pythonpath=in_front_of(tmp_path))
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == ["theirs", "0"]


@pytest.mark.parametrize("reference", ["$(PYTHONPATH)", "$(PRIMUS_LENS_WANDB_PYTHONPATH)"])
@pytest.mark.parametrize("behind", ["", ":/more", ":/more:"])
def test_a_reference_of_kubernetes_to_a_variable_that_is_not_there_is_taken_away(
    reference: str, behind: str
) -> None:
    code = "import os, sys; print(os.environ['PYTHONPATH']); print(sum('$' in e for e in sys.path))"
    finished = run_python(sys.executable, code, pythonpath=f"{HOOK_FOLDER}:{reference}{behind}")
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == [f"{HOOK_FOLDER}{behind}", "0"]


@pytest.mark.parametrize("behind", [":", ":$(PYTHONPATH):", "::", ":/more:"])
def test_an_empty_entry_stays_for_it_is_how_scripts_ask_for_the_working_directory(behind: str) -> None:
    """As `export PYTHONPATH=$PYTHONPATH:$LIB` does where there is no LIB: its imports are from there."""
    code = "import os, sys; print(os.environ['PYTHONPATH'], os.getcwd() in sys.path)"
    finished = run_python(sys.executable, code, pythonpath=f"{HOOK_FOLDER}{behind}")
    assert finished.stderr == ""
    kept = behind.replace(":$(PYTHONPATH)", "")
    assert finished.stdout.split() == [f"{HOOK_FOLDER}{kept}", "True"]
