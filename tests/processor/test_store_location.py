"""Where a store may be, and that no password is shown of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.settings import BadSetting, Settings, load
from primus_lens_wandb_exporter.processor.store.location import read_place, show

from ..support.served import SERVE, serve_environ

WITHOUT_PSYCOPG = (
    "import sys; sys.modules['psycopg'] = None;"
    "from primus_lens_wandb_exporter.cli import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://lens:secret@db.example:5433/metrics",
        "postgres://lens:se%40cr%2Fet@[::1]/metrics?sslmode=require&password=secret",
        "postgresql://one:1,two:2/metrics?user=lens&password=secret&sslpassword=secret",
        "postgresql:///metrics?host=/run/postgresql&password=secret",
        "postgresql://lens:sec:ret@h/db",
    ],
)
def test_a_database_is_shown_without_its_passwords(url: str) -> None:
    shown = show(read_place(url))
    assert shown.startswith("postgresql://")
    assert "sec" not in shown
    assert "se%40" not in shown
    assert "password" not in shown
    assert "secret" not in repr(Settings(db=url))


def test_what_says_where_the_database_is_stays() -> None:
    assert (
        show("postgres://lens:secret@h1:1,h2:2/db?host=/run")
        == "postgresql://lens@h1:1,h2:2/db?host=/run"
    )
    assert show("/data/processor.db") == "/data/processor.db"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://lens:se@cret@h/db",
        "postgresql://lens:se/cret@h/db",
        "postgresql://lens:se?cret@h/db",
        "postgresql://lens:se#cret@h/db",
        "postgresql://lens:[secret@h/db",
        "mysql://lens:secret@h/db",
    ],
)
def test_a_url_that_would_be_misread_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load({"PRIMUS_LENS_PROCESSOR_DB": url})
    assert str(caught.value).startswith("PRIMUS_LENS_PROCESSOR_DB=(not shown): ")
    assert "cret" not in str(caught.value).replace("(not shown)", "")


def refusal(tmp_path: Path, *command: str) -> str:
    """Return the one line that is said before the processor ends."""
    ended = subprocess.run(command, env=serve_environ(), capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    return line


def test_where_psycopg_is_missing_it_is_said_how_to_install_it(tmp_path: Path) -> None:
    place = ("serve", "--port", "0", "--db", "postgresql://lens:secret@h/db")
    line = refusal(tmp_path, sys.executable, "-c", WITHOUT_PSYCOPG, *place)
    assert line == (
        "primus-lens-wandb: cannot use the database postgresql://lens@h/db: psycopg is missing: "
        "pip install 'primus-lens-wandb-exporter[postgres]'"
    )


@pytest.mark.parametrize(
    "place", ["postgresql://lens:secret@127.0.0.1:1/db", "postgresql://lens:sec%zzret@h/db"]
)
def test_a_server_that_is_not_there_is_said_in_one_line_without_the_password(
    tmp_path: Path, place: str
) -> None:
    line = refusal(tmp_path, *SERVE, "--port", "0", "--db", place)
    assert line.startswith("primus-lens-wandb: cannot use the database postgresql://lens@")
    assert "sec" not in line
