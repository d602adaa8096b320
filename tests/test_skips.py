"""A test that lacks a package is skipped on a user's machine, and fails where CI installed it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .support.scripts import REPOSITORY
from .support.skips import SWITCH

_TESTS = """
import pytest

LACKING = "chromium is missing: apt install chromium"

@pytest.fixture
def browser():
    pytest.skip(LACKING)

def test_skipped_by_itself():
    pytest.skip(LACKING)

def test_skipped_by_a_fixture(browser):
    pass

@pytest.mark.skipif(True, reason=LACKING)
def test_skipped_by_a_mark():
    pass

@pytest.mark.skipif(True, reason="-P is new in 3.11")
def test_skipped_for_another_reason():
    pass

@pytest.mark.xfail(reason="apt install would not help")
def test_that_fails():
    raise AssertionError
"""
_WHOLE_FILE = """
import pytest
pytest.skip("needs PostgreSQL: apt-get install postgresql", allow_module_level=True)
"""


def _run(folder: Path, switch: str) -> str:
    """Run them, and return pytest's last line."""
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.skips", "-p", "no:cacheprovider"]
    finished = subprocess.run(
        [*command, "--continue-on-collection-errors", "--rootdir", str(folder), str(folder)],
        env={**os.environ, SWITCH: switch},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return finished.stdout.splitlines()[-1]


def test_a_skip_for_want_of_a_package_fails_where_all_is_installed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(_TESTS)
    (tmp_path / "test_whole.py").write_text(_WHOLE_FILE)
    assert " 1 failed, 1 skipped, 1 xfailed, 3 errors in " in _run(tmp_path, switch="1")
    assert " 5 skipped, 1 xfailed in " in _run(tmp_path, switch="")
