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


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("/run/%E0%A4%A", "There is no such run"),
        ("/constructor", "There is no such page"),
        ("/?offset=-5", "12 runs"),
        ("/?offset=1.5", "12 runs"),
    ],
)
def test_an_address_that_was_cut_short_or_misspelt_is_answered_in_words(
    tab: Tab, place: str, told: str
) -> None:
    tab.show(place).get_by_text(told, exact=True).wait_for()
    tab.forgive("%25E0")


def test_an_axis_that_there_is_not_is_the_usual_one(tab: Tab, runs: list[Run]) -> None:
    page = tab.show(f"/run/{runs[0].key}?axis=constructor")
    tab.chart("train/loss").get_by_role("listitem").wait_for()
    assert page.get_by_label("Axis").input_value() == "step"
