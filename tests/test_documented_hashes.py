"""The sums of our entry files that the documentation names are those of the files."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from .support.scripts import HOOK_FOLDER, REPOSITORY

MARKS = re.compile(r"<!-- hashes -->\n(.*?)\n<!-- /hashes -->", re.DOTALL)
ROW = re.compile(r"^\| `([^`]+)` \| `([^`]*)` \|", re.MULTILINE)
DOCUMENTED = [
    row
    for document in sorted(REPOSITORY.glob("k8s/**/*.md"))
    for table in MARKS.findall(document.read_text(encoding="utf-8"))
    for row in ROW.findall(table)
]


@pytest.mark.parametrize(("name", "documented"), DOCUMENTED)
def test_the_sum_is_that_of_the_file(name: str, documented: str) -> None:
    assert documented == sha256((HOOK_FOLDER / name).read_bytes()).hexdigest()
