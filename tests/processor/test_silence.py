"""The number of silent pods at `/metrics`."""

from __future__ import annotations

import time

from primus_lens_wandb_exporter.processor.meters import Count, Meters
from primus_lens_wandb_exporter.processor.silence import SilentPods
from primus_lens_wandb_exporter.processor.store import SECOND, Event, Store

from ..support.delivery import wait_until
from .deliveries import delivery


def begin(store: Store, name: str, ago: int) -> None:
    """Store that a pod began a run so many seconds ago."""
    received = time.time_ns() // 1000 - ago * SECOND
    pod = {"pod_uid": name, "pod_name": name}
    store.write([delivery(name, pod=pod, events=[Event("started", received)], received=received)])


def test_it_is_counted_now_and_then_and_not_told_while_the_database_is_away(store: Store) -> None:
    silent = SilentPods(store, first=0, interval=0.01)
    meters = Meters(lambda: 0, [Count("silent_pods", "Quiet.", lambda: silent.count, falls=True)])

    def told() -> str:
        lines = meters.text().decode().splitlines()
        return next((line for line in lines if line.startswith("primus_lens_processor_silent")), "")

    wait_until(lambda: told() == "primus_lens_processor_silent_pods 0.0")
    begin(store, "quiet", ago=3600)
    begin(store, "alive", ago=60)
    wait_until(lambda: told() == "primus_lens_processor_silent_pods 1.0")
    store.stop_answering()
    wait_until(lambda: told() == "")
    silent.stop()


def test_a_server_that_has_just_started_does_not_count_yet(store: Store) -> None:
    begin(store, "quiet", ago=3600)
    silent = SilentPods(store, interval=0)
    time.sleep(0.1)
    assert silent.count is None
    silent.stop()
