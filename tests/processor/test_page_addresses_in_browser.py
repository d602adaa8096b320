"""Addresses of the page that were cut short or misspelt, and what else could lead away from a view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ..support.seed import Run

if TYPE_CHECKING:
    from ..support.browser import Tab


def test_the_link_to_the_content_leads_there_and_not_to_another_view(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(f"/run/{runs[0].key}?axis=time")
    tab.chart("train/loss").wait_for()
    address = page.url
    tab.press("Shift+Tab", ".skip")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'view'")
    assert page.url == address
    assert tab.chart("train/loss").is_visible()
