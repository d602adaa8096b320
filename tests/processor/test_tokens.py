"""Tokens in files that are changed while the server runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.bearer import TokenFile
from primus_lens_wandb_exporter.processor.settings import load

from ..support.embedded import embedded


def replace(path: Path, text: str) -> None:
    """Put another file in its place."""
    other = path.with_name("other")
    other.write_text(text)
    os.replace(other, path)


def test_a_token_is_that_which_the_file_holds_now(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    token = TokenFile(str(path))
    assert token.current() == "first"
    replace(path, "other")
    assert token.current() == "other"
    path.write_text("in place")
    with pytest.raises(AssertionError):
        assert token.current() == "in place"  # a token has no spaces
    path.write_text("in-place")
    assert token.current() == "in-place"


def test_a_link_that_is_turned_as_kubernetes_does_it_is_followed(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    (tmp_path / "data").symlink_to("old")
    (tmp_path / "token").symlink_to("data/token")
    token = TokenFile(str(tmp_path / "token"))
    assert token.current() == "old"
    (tmp_path / "turned").symlink_to("new")
    os.replace(tmp_path / "turned", tmp_path / "data")
    assert token.current() == "new"


def test_while_the_new_one_cannot_be_read_the_old_one_stays_and_that_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    token = TokenFile(str(path))
    path.unlink()
    assert [token.current() for _ in range(3)] == ["first"] * 3
    replace(path, "")  # an empty token would let everyone in
    assert [token.current() for _ in range(3)] == ["first"] * 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "No such file" in caplog.text
    replace(path, "second")
    assert token.current() == "second"
    path.unlink()
    assert token.current() == "second"
    assert len(caplog.records) == 2
    assert "second" not in caplog.text


@pytest.mark.parametrize("side", ["ingest", "read"])
def test_a_changed_token_opens_and_the_old_one_does_not(tmp_path: Path, side: str) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    settings = load({f"PRIMUS_LENS_PROCESSOR_{side.upper()}_TOKEN_FILE": str(path)})
    assert "first" not in repr(settings)
    with embedded(tmp_path, settings) as taker:

        def ask(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            method, where = ("POST", "wandb/metrics") if side == "ingest" else ("GET", "workloads")
            content = b'{"pod_name": "p"}' if side == "ingest" else b""
            url = f"/api/v1/{where}"
            status: int = taker.client.request(method, url, content=content, headers=headers).status_code
            return status

        assert [ask("first"), ask("second"), ask("")] == [200, 401, 401]
        replace(path, "second")
        assert [ask("first"), ask("second"), ask("")] == [401, 200, 401]
