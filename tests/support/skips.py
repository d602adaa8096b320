"""Where all that the tests need is installed, one that is skipped for want of it fails."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import TypeVar, Union

import pytest

SWITCH = "PRIMUS_LENS_TESTS_NO_SKIP"
MENDED_BY = re.compile(
    r"\b(apt|apt-get|pip) install\b"
)  # what such a skip's reason tells the user to do

Report = TypeVar("Report", bound=Union[pytest.TestReport, pytest.CollectReport])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge a test that was skipped."""
    return judge((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Judge a whole file that was skipped."""
    return judge((yield))


def judge(report: Report) -> Report:
    """Let a skip stand unless its reason is something to be installed and the switch is on."""
    if os.environ.get(SWITCH) and report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2]
        if MENDED_BY.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason} ({SWITCH} is set)"
    return report
