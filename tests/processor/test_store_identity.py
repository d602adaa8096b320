"""The numbers that stand for names are the same everywhere and for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.store.identity import digest, series_id

from ..support.properties import patient

TEXTS = st.lists(st.text(alphabet="ab:,1é", max_size=4), max_size=4)


@patient
@given(TEXTS, TEXTS)
def test_only_equal_sequences_have_the_same_number(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_a_series_has_the_number_that_databases_already_hold() -> None:
    assert series_id("w", "r", "wandb", "loss", (("a", "b"),)) == 2272514092576443193
