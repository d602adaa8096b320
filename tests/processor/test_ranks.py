"""Which rank a process has, by its environment."""

from __future__ import annotations

import pytest

from primus_lens_wandb_exporter.processor.ingest.ranks import find_rank


@pytest.mark.parametrize(
    ("environ", "rank"),
    [
        ({}, None),
        ({"RANK": "7", "SLURM_PROCID": "3"}, 7),
        ({"RANK": "", "SLURM_PROCID": "3"}, 3),
        ({"RANK": "first", "OMPI_COMM_WORLD_RANK": " 0 "}, 0),
        ({"RANK": "-1"}, None),
        ({"PMI_RANK": "9" * 5000}, None),
    ],
)
def test_a_rank_is_a_whole_number_that_a_launcher_told(
    environ: dict[str, str], rank: int | None
) -> None:
    assert find_rank(environ) == rank
