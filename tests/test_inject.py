"""`primus-lens-wandb inject` fills a folder that any Python may have on PYTHONPATH."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from primus_lens_wandb_exporter import __version__

from .support.injection import contents, inject, injected
from .support.installation import COUNT_FINDERS, PACKAGE, Environment, pip
from .support.scripts import REPOSITORY

METADATA = f"{PACKAGE}/for-opentelemetry/{PACKAGE}.dist-info"


@pytest.fixture
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A Python that has nothing of ours installed."""
    return Environment(tmp_path_factory.mktemp("bare") / "env")


def test_the_folder_arms_once_and_says_nothing(bare: Environment, tmp_path: Path) -> None:
    started = bare.run(COUNT_FINDERS, pythonpath=injected(tmp_path))
    assert (started.stdout, started.stderr) == ("1\n", "")


def test_it_says_in_one_line_what_is_there(tmp_path: Path) -> None:
    finished = inject(tmp_path)
    tag = sys.implementation.cache_tag
    said = f"primus-lens-wandb: {tmp_path}: version {__version__}, bytecode for {tag}\n"
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, said, "")


def test_the_folder_is_made_where_only_it_is_missing(tmp_path: Path) -> None:
    assert (injected(tmp_path / "new") / "sitecustomize.py").is_file()


def test_all_of_the_package_is_there_but_the_processor(tmp_path: Path) -> None:
    there = {name for name in contents(injected(tmp_path)) if not name.endswith(".pyc")}
    package = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "processor" not in path.parts
    }
    entries = {f"_{PACKAGE}.py", "sitecustomize.py", "usercustomize.py"}
    made = {f"{PACKAGE}/SHA256SUMS", f"{METADATA}/METADATA", f"{METADATA}/entry_points.txt"}
    assert there == package | entries | made


def test_it_is_no_installed_package(bare: Environment, tmp_path: Path) -> None:
    """It would stand in every list of requirements, W&B's among them."""
    code = "from importlib.metadata import distributions; print([*distributions()])"
    assert bare.run(code, pythonpath=injected(tmp_path)).stdout == "[]\n"


def test_each_source_has_its_bytecode(tmp_path: Path) -> None:
    folder = injected(tmp_path)
    for source in folder.rglob("*.py"):
        cached = f"__pycache__/{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert (source.parent / cached).is_file()


def test_sha256sum_can_verify_every_file(tmp_path: Path) -> None:
    sums = f"{PACKAGE}/SHA256SUMS"
    names = set(contents(injected(tmp_path))) - {sums}
    command = ["sha256sum", "--strict", "-c", sums]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0
    assert {line.rpartition(":")[0] for line in checked.stdout.splitlines()} == names


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_every_user_can_read_it_and_only_its_owner_write(umask: int, tmp_path: Path) -> None:
    finished = inject(tmp_path / "new", code=f"import os; os.umask({umask})")
    assert finished.returncode == 0
    for path in [tmp_path / "new", *(tmp_path / "new").rglob("*")]:
        assert path.stat().st_mode & 0o7777 == (0o755 if path.is_dir() else 0o644), path


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        paths = [tmp_path, *tmp_path.rglob("*")]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}

    injected(tmp_path)
    before = state()
    injected(tmp_path)
    assert state() == before


def test_what_else_lies_in_the_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    for name in ("other.py", "__pycache__/other.cpython-311.pyc"):
        (tmp_path / name).write_text("theirs")
    there = contents(injected(tmp_path))
    assert there["other.py"] == there["__pycache__/other.cpython-311.pyc"] == b"theirs"


def test_every_way_to_install_fills_the_same_folder(wheel: Path, tmp_path: Path) -> None:
    environment = Environment(tmp_path / "env")
    environment.install(wheel)
    target = tmp_path / "target"
    pip("install", "-q", "--no-deps", "--target", target, wheel)
    from_checkout = injected(tmp_path / "checkout")
    filled = contents(from_checkout)
    ways = {
        "wheel": inject(tmp_path / "wheel", python=environment.python, package=""),
        "target": inject(tmp_path / "from-target", package=target),
        "injected": inject(tmp_path / "injected", package=from_checkout),
    }
    for way, finished in ways.items():
        assert (finished.returncode, finished.stderr) == (0, ""), way
    for folder in ("wheel", "from-target", "injected"):
        assert contents(tmp_path / folder) == filled, folder


def test_bytecode_that_needs_no_time_stamp_is_taken_along(tmp_path: Path) -> None:
    """An image is built with several Pythons, each of which compiles what is installed."""
    source = tmp_path / "source"
    shutil.copytree(injected(tmp_path / "whole"), source)
    cache = source / PACKAGE / "__pycache__"
    own = cache / f"settings.{sys.implementation.cache_tag}.pyc"
    data = own.read_bytes()
    kinds = {"cpython-391": b"\x01", "cpython-393": b"\x03", "cpython-390": b"\x00"}  # PEP 552
    for tag, flags in kinds.items():
        (cache / f"settings.{tag}.pyc").write_bytes(data[:4] + flags + data[5:])
    own.write_bytes(data[:4] + b"\x00" + data[5:])
    finished = inject(tmp_path / "folder", package=source)
    names = {path.name for path in (tmp_path / "folder" / PACKAGE / "__pycache__").glob("settings.*")}
    assert names == {own.name, "settings.cpython-391.pyc", "settings.cpython-393.pyc"}
    made_anew = (tmp_path / "folder" / PACKAGE / "__pycache__" / own.name).read_bytes()
    assert made_anew[:16] == data[:16]
    assert "cpython-391 cpython-393" in finished.stdout


def test_the_bytecode_is_used_whatever_becomes_of_the_time_stamps(
    bare: Environment, tmp_path: Path
) -> None:
    folder = injected(tmp_path)
    for source in folder.rglob("*.py"):
        os.utime(source, (0, 0))
        source.write_text("raise SystemExit('compiled again')")
    code = f"import {PACKAGE}.import_hook, {PACKAGE}.evidence\n{COUNT_FINDERS}"
    started = bare.run(code, pythonpath=folder)
    assert (started.stdout, started.stderr) == ("1\n", "")


@pytest.mark.parametrize("action", [["serve"], ["db", "stats"]])
def test_the_folder_says_that_it_has_no_processor(action: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", PACKAGE, *action]
    environ = {"PYTHONPATH": str(injected(tmp_path))}
    finished = subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == (
        f"primus-lens-wandb: {action[0]}: an injected folder has no processor; "
        "run it where the package is installed\n"
    )


def test_run_and_the_doctor_work_from_the_folder(tmp_path: Path) -> None:
    folder = injected(tmp_path)
    command = [sys.executable, "-m", PACKAGE, "run", "--", sys.executable, "-c", COUNT_FINDERS]
    finished = subprocess.run(command, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    assert (finished.stdout, finished.stderr) == ("1\n", "")
    command = [sys.executable, "-m", PACKAGE, "doctor"]
    finished = subprocess.run(command, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True)
    assert " ok   hook      armed in " in finished.stdout
