"""Every way to install arms the hook exactly once, and none leaves anything behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .support.installation import (
    COUNT_FINDERS,
    PACKAGE,
    Environment,
    build_editable_wheel,
    copy_sources,
    pip,
)

pytest.importorskip("setuptools")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(tmp_path / "env")


def assert_armed_once(environment: Environment, **how: object) -> None:
    finished = environment.run(COUNT_FINDERS, **how)  # type: ignore[arg-type]
    assert (finished.stdout, finished.stderr) == ("1\n", "")


def test_the_entry_files_stand_in_record(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        listed = {line.split(",")[0] for line in archive.read(record).decode().splitlines()}
    assert {
        f"{PACKAGE}.pth",
        f"{PACKAGE}.start",
        f"_{PACKAGE}.py",
        f"{PACKAGE}/sitecustomize/sitecustomize.py",
        f"{PACKAGE}/py.typed",
        f"{PACKAGE}/processor/store/sqlite/migrations/0001_tables.sql",
        f"{PACKAGE}/processor/page/static/index.html",
        f"{PACKAGE}/processor/page/static/main.js",
        f"{PACKAGE}/processor/page/static/vendor/uplot/LICENSE",
        f"{PACKAGE}/processor/page/static/vendor/uplot/uPlot.iife.min.js",
    } <= listed
    assert not any(name.startswith("sitecustomize") for name in listed)


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_pip_installs_an_armed_hook_and_uninstalls_all_of_it(
    how: str, wheel: Path, environment: Environment, tmp_path: Path
) -> None:
    before = sorted(environment.site.rglob("*"))
    environment.install(wheel if how == "wheel" else build_editable_wheel(tmp_path))
    assert_armed_once(environment)
    environment.uninstall()
    assert sorted(environment.site.rglob("*")) == before


def test_uv_installs_an_armed_hook(wheel: Path, environment: Environment) -> None:
    uv = pytest.importorskip("uv", reason="pip install uv").find_uv_bin()
    command = [uv, "pip", "install", "-q", "--offline", "--no-deps", "--python"]
    subprocess.run([*command, str(environment.python), str(wheel)], check=True)
    assert_armed_once(environment)


def test_a_target_folder_is_armed_by_its_sitecustomize_on_pythonpath(
    wheel: Path, environment: Environment, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    pip("install", "-q", "--no-deps", "--target", target, wheel)
    hook = target / PACKAGE / "sitecustomize"
    assert_armed_once(environment, pythonpath=hook)
    code = f"from {PACKAGE}.run_command import hook_folder; print(hook_folder())"
    assert environment.run(code, pythonpath=hook).stdout == f"{hook}\n"
    listed = environment.run("import sys; print(sys.path)", pythonpath=hook).stdout
    assert repr(str(target)) not in listed  # what else lies there is nobody's business


def test_an_injected_folder_is_armed_by_its_sitecustomize(
    environment: Environment, tmp_path: Path
) -> None:
    source = copy_sources(tmp_path)
    for entry in (source / "sitecustomize").glob("*.py"):
        shutil.copy(entry, source)
    assert_armed_once(environment, pythonpath=source)


def test_both_ways_at_once_arm_it_once(wheel: Path, environment: Environment, tmp_path: Path) -> None:
    environment.install(wheel)
    hook = environment.site / PACKAGE / "sitecustomize"
    assert_armed_once(environment, pythonpath=hook)


def test_nothing_but_the_entry_file_is_loaded_at_start(wheel: Path, environment: Environment) -> None:
    code = "import sys; print(sorted(m for m in sys.modules if 'primus' in m))"
    plain = "import sys; print(len(sys.modules))"
    # To read any such file, Python 3.9 and 3.13 import modules of their own.
    (environment.site / "other.pth").write_text("# not ours\n")
    before = int(environment.run(plain).stdout)
    environment.install(wheel)
    assert environment.run(code).stdout.strip() == str([f"_{PACKAGE}"])
    assert int(environment.run(plain).stdout) == before + 1


@pytest.mark.parametrize("switch", ["-S", "-I"])
def test_python_starts_silently_under_every_switch(
    switch: str, wheel: Path, environment: Environment
) -> None:
    environment.install(wheel)
    finished = environment.run(COUNT_FINDERS, options=[switch])
    assert (finished.stdout, finished.stderr) == ({"-S": "0\n", "-I": "1\n"}[switch], "")


def _remove(package: Path) -> None:
    shutil.rmtree(package)


def _raise_in_init(package: Path) -> None:
    (package / "__init__.py").write_text("raise RuntimeError('broken')")


def _raise_in_bootstrap(package: Path) -> None:
    (package / "bootstrap.py").write_text("raise OSError('broken')")


def _garble_bootstrap(package: Path) -> None:
    (package / "bootstrap.py").write_text("def start(:")


def _garble_finder(package: Path) -> None:
    (package / "import_hook.py").write_text("\x00")


def _empty_finder(package: Path) -> None:
    (package / "import_hook.py").write_text("")


BREAKAGES = [
    _remove,
    _raise_in_init,
    _raise_in_bootstrap,
    _garble_bootstrap,
    _garble_finder,
    _empty_finder,
]


@pytest.mark.parametrize("way", ["pth", "sitecustomize"])
def test_a_broken_package_is_not_noticed(
    way: str, wheel: Path, environment: Environment, tmp_path: Path
) -> None:
    environment.install(wheel)
    package = environment.site / PACKAGE
    hook = tmp_path / "hook"
    shutil.copytree(package / "sitecustomize", hook / PACKAGE / "sitecustomize")
    intact = tmp_path / "intact"
    shutil.copytree(package, intact)
    for break_it in BREAKAGES:
        shutil.rmtree(package, ignore_errors=True)
        shutil.copytree(intact, package)
        break_it(package)
        pythonpath = hook / PACKAGE / "sitecustomize" if way == "sitecustomize" else ""
        for look in ("", "import importlib.util; importlib.util.find_spec('wandb');"):
            finished = environment.run(f"{look}print('fine')", pythonpath=pythonpath)
            assert (finished.stdout, finished.stderr) == ("fine\n", ""), break_it


def test_the_start_file_names_a_callable_that_the_pth_file_calls(environment: Environment) -> None:
    """PEP 829: from Python 3.18 on, the `.start` file is what counts."""
    from .support.scripts import HOOK_FOLDER

    module, _, function = (HOOK_FOLDER / f"{PACKAGE}.start").read_text().strip().partition(":")
    line = (HOOK_FOLDER / f"{PACKAGE}.pth").read_text().strip()
    assert line == f"import {module}; {module}.{function}()"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="-P is new in 3.11")
def test_safe_path_does_not_disarm_it(wheel: Path, environment: Environment) -> None:
    environment.install(wheel)
    assert_armed_once(environment, options=["-P"])
