"""Debian's Chromium, driven by Playwright; nothing is downloaded for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    TimeoutError,
    sync_playwright,
)

from .scripts import REPOSITORY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
MISSING = "chromium is missing: apt install chromium"
SCREENSHOTS = REPOSITORY / "screenshots"
WIDE, NARROW = (1280, 900), (400, 800)  # pixels

_HIGHEST = 6000  # pixels of a picture
_DRAWN = """() => [...document.querySelectorAll(".plot")].every(
  (plot) => !plot.offsetParent || (plot.firstChild && !plot.textContent.startsWith("Loading"))
)"""

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}


class Tab:
    """A tab, and what went wrong in it; `page` is Playwright's."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.outside: list[str] = []  # addresses of another origin that were asked for
        self.errors: list[str] = []  # of the console, and exceptions that nobody caught
        page.on("request", self._note_request)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and not request.url.startswith(f"{self.url}/"):
            self.outside.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def show(self, place: str = "") -> Page:
        """Go to a place of the page (what stands behind the `#`) and return the page."""
        self.page.goto(f"{self.url}/#{place}")
        return self.page

    def forgive(self, text: str) -> None:
        """Forget the errors that a test provokes, by a part of what they say."""
        self.errors = [error for error in self.errors if text not in error]

    def shoot(self, name: str) -> None:
        """Keep a picture of all of it, its charts drawn, in a folder that git ignores."""
        SCREENSHOTS.mkdir(exist_ok=True)
        before = self.page.viewport_size
        assert before is not None
        height = self.page.evaluate("() => document.documentElement.scrollHeight")
        self.resize((before["width"], max(before["height"], min(height, _HIGHEST))))
        with suppress(TimeoutError):  # some wait for a server that is away
            self.page.wait_for_function(_DRAWN, timeout=3000)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")
        self.resize((before["width"], before["height"]))

    def chart(self, metric: str) -> Locator:
        """Return the figure of a metric."""
        return self.page.locator(f"figure[data-metric='{metric}']")

    def press(self, button: str, until: str) -> None:
        """Press a button on the keyboard until a selector matches the element that has the focus."""
        for _ in range(80):
            self.page.keyboard.press(button)
            if self.page.evaluate("(wanted) => document.activeElement.matches(wanted)", until):
                return
        raise AssertionError(f"80 times {button} does not lead to {until}")

    def resize(self, size: tuple[int, int]) -> None:
        """Make it so wide and high (pixels)."""
        self.page.set_viewport_size({"width": size[0], "height": size[1]})

    @property
    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than what is seen of it."""
        script = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return bool(self.page.evaluate(script))

    def barriers(self) -> list[str]:
        """Return what axe-core finds to bar people from using it, each with the element."""
        found: list[dict[str, Any]] = Axe().run(self.page, options=_RULES).response["violations"]
        return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the browser as long as it lasts; meanwhile no event loop can be run in this thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        yield browser
        browser.close()


@contextmanager
def open_tab(browser: Browser, url: str, **context: Any) -> Iterator[Tab]:
    """Open a tab of a fresh profile as long as it lasts; `context` as of `Browser.new_context`."""
    size = context.pop("size", WIDE)
    fresh = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **context
    )
    fresh.set_default_timeout(15_000)
    try:
        yield Tab(fresh.new_page(), url)
    finally:
        fresh.close()
