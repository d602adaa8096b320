"""The README's tables are the code's."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from primus_lens_wandb_exporter.processor.settings import Settings as ProcessorSettings
from primus_lens_wandb_exporter.settings import Settings

from .support.scripts import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PROCESSOR = (REPOSITORY / "docs" / "processor.md").read_text(encoding="utf-8")


def settings_table(settings: Any = Settings) -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for setting in fields(settings):
        default = setting.default
        shown = str(default).lower() if isinstance(default, bool) else str(default or "")
        shown = f"`{shown}`" if shown not in ("", "()") else ""
        rows.append(f"| `{setting.metadata['variable']}` | {shown} | {setting.metadata['help']} |")
    return "\n".join(rows)


def test_the_processors_settings_table_is_that_of_the_code() -> None:
    marks = r"<!-- processor settings -->\n(.*?)\n<!-- /processor settings -->"
    (table,) = re.findall(marks, PROCESSOR, re.DOTALL)
    assert table == settings_table(ProcessorSettings)


def test_the_settings_table_is_that_of_the_code() -> None:
    (table,) = re.findall(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", README, re.DOTALL)
    assert table == settings_table()


def test_every_variable_the_readme_names_exists() -> None:
    both = (*fields(Settings), *fields(ProcessorSettings))
    known = {setting.metadata["variable"] for setting in both}
    named = set(re.findall(r"\bPRIMUS_LENS_[A-Z_]*[A-Z]\b", README + PROCESSOR))
    assert named <= known
    short = {re.sub("PRIMUS_LENS_(WANDB|PROCESSOR)_", "", name) for name in known}
    mentioned = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", README + PROCESSOR))
    assert mentioned <= known | short


def test_every_file_the_readme_names_exists() -> None:
    package = REPOSITORY / "primus_lens_wandb_exporter"
    named = set(re.findall(r"`([a-z_]+\.py|[a-z_]+/)`", README))
    assert named
    missing = {
        name
        for name in named
        if not any(
            (folder / name).exists()
            for folder in (REPOSITORY, package, package / "processor", REPOSITORY / "sitecustomize")
        )
    }
    assert not missing
