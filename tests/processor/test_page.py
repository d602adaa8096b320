"""The page's files: how they are served, and that they need nothing from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.page import STATIC

from ..support.embedded import Embedded

FILES = sorted(path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file())
OURS = [name for name in FILES if not name.startswith("vendor/")]
MODULES = [name for name in OURS if name.endswith(".js")]
UPLOT = STATIC / "vendor" / "uplot"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def read(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_served_with_its_type_and_strict_headers(taker: Embedded, name: str) -> None:
    response = taker.client.get(f"/static/{name}")
    assert (response.status_code, response.content) == (200, (STATIC / name).read_bytes())
    media_type = TYPES.get(Path(name).suffix, "text/")
    assert response.headers["content-type"].startswith(media_type)
    assert response.headers["content-security-policy"].startswith(
        "default-src 'self'; object-src 'none'"
    )
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"


def test_the_page_is_at_the_root(taker: Embedded) -> None:
    response = taker.client.get("/")
    assert response.text == read("index.html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_a_file_that_the_browser_has_is_not_sent_again(taker: Embedded) -> None:
    first = taker.client.get("/static/main.js")
    assert first.headers["cache-control"] == "no-cache"
    for known in (first.headers["etag"], f'"old", W/{first.headers["etag"]}'):
        again = taker.client.get("/static/main.js", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    other = taker.client.get("/static/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("name", ["missing.js", "", "../__init__.py", "%2e%2e/__init__.py", "vendor"])
def test_what_is_not_a_file_of_the_page_is_not_found(taker: Embedded, name: str) -> None:
    assert taker.client.get(f"/static/{name}").status_code == 404


def test_the_vendored_files_are_what_their_checksums_say() -> None:
    listed = dict(line.split()[::-1] for line in (UPLOT / "CHECKSUMS").read_text().splitlines())
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in UPLOT.iterdir()
        if path.name not in ("CHECKSUMS", "README.md")
    }
    assert found == listed
    assert "MIT License" in read("vendor/uplot/LICENSE")
    version = re.search(r"\(v([0-9.]+)\)", read("vendor/uplot/uPlot.iife.min.js"))
    assert version
    assert f"uPlot {version.group(1)} " in read("vendor/uplot/README.md")


@pytest.mark.parametrize(
    "name", [name for name in FILES if Path(name).suffix in (".js", ".html", ".css")]
)
def test_no_file_asks_for_anything_from_elsewhere(name: str) -> None:
    text = read(name)
    assert re.findall(r"url\(|@import|\b(?:src|href)=\"(?!static/|#)", text) == []
    addresses = set(re.findall(r"(?:https?:)?//[a-z0-9-]+(?:\.[a-z0-9-]+)+[^\s\"')]*", text))
    assert addresses <= {"https://github.com/leeoniya/uPlot"}  # a comment: where it comes from


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.partition("-")[0] not in ("compare", "workloads")]
)
def test_the_page_announces_the_modules_of_its_first_views(name: str) -> None:
    """Else each import waits for the module that holds it."""
    page = read("index.html")
    assert f'href="static/{name}"' in page or f'src="static/{name}"' in page


@pytest.mark.parametrize("name", MODULES)
def test_each_module_imports_what_there_is(name: str) -> None:
    imported = re.findall(r"(?:from |import\()\"([^\"]+)\"", read(name))
    assert all(one.startswith("./") and one[2:] in MODULES for one in imported), imported


@pytest.mark.parametrize("name", OURS)
def test_no_markup_is_made_of_texts(name: str) -> None:
    """What training scripts log is shown, never run."""
    assert not re.search(
        r"insertAdjacentHTML|outerHTML|innerHTML\s*=[^=]|document\.write|\beval\(", read(name)
    )
