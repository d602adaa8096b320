"""The worker thread: when it starts, when it sends, how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from primus_lens_wandb_exporter import guard
from primus_lens_wandb_exporter.delivery import route as route_module
from primus_lens_wandb_exporter.delivery import worker as worker_module
from primus_lens_wandb_exporter.delivery.agenda import Agenda
from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Verdict
from primus_lens_wandb_exporter.delivery.lane import MAX_IN_HAND, Account, Lane
from primus_lens_wandb_exporter.delivery.route import Route
from primus_lens_wandb_exporter.delivery.worker import Worker

from .support.delivery import RETRY, SENT, GatedSink, ScriptedSink, pack_together, wait_until

NEVER = 3600.0  # seconds: a test that waits for it has failed
UNREACHABLE = Outcome(Verdict.RETRY, "unreachable", unreachable=True)


class Delivery:
    """A worker with an immediate and a batched lane with a sink each, and one beside the latter."""

    def __init__(self, sink: ScriptedSink, **settings: Any) -> None:
        self.sink = sink
        self.news = ScriptedSink()
        self.batched = Lane("batched", 20, pack_together, Route(sink))
        self.immediate = Lane("immediate", 20, pack_together, Route(self.news), immediate=True)
        self.beside = Lane("beside", 20, pack_together, self.batched.route)
        self.rounds = 0
        lanes = [self.immediate, self.batched, self.beside]
        agenda = Agenda(lanes, settings.pop("batch_size", 5), settings.pop("flush_interval", NEVER))
        usual = {"request_timeout": 5.0, "retry_timeout": NEVER}
        self.worker = Worker(lanes, agenda=agenda, after_round=self._count, **{**usual, **settings})

    def _count(self) -> None:
        self.rounds += 1

    def put(self, *items: Any, lane: Lane[Any] | None = None) -> None:
        """Put items as the exporter does."""
        lane = lane or self.batched
        for item in items:
            if lane.queue.put(item) >= lane.queue.wake_at:
                self.worker.wake()
            self.worker.ensure_running()

    def pass_a_round(self) -> None:
        """Wait until the worker has looked at all its lanes once more."""
        count = len(self.news.taken)
        self.put("news", lane=self.immediate)
        wait_until(lambda: len(self.news.taken) > count)


@pytest.fixture
def deliveries() -> Iterator[Any]:
    """Makes deliveries, and ends their threads."""
    made: list[Delivery] = []

    def make(sink: ScriptedSink | None = None, **settings: Any) -> Delivery:
        made.append(Delivery(sink or ScriptedSink(), **settings))
        return made[-1]

    yield make
    for delivery in made:
        delivery.worker.stop(10)


def test_there_is_no_thread_before_the_first_item_and_then_one_daemon(deliveries: Any) -> None:
    delivery = deliveries()
    assert delivery.worker.thread is None
    before = set(threading.enumerate())
    delivery.put(1)
    delivery.put(2)
    (thread,) = set(threading.enumerate()) - before
    assert thread.daemon


def test_threads_that_log_first_at_once_start_one_worker(deliveries: Any) -> None:
    delivery = deliveries()
    before = set(threading.enumerate())
    together = threading.Barrier(8)

    def put() -> None:
        together.wait()
        delivery.put(1)

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(threading.enumerate()) - before) == 1


def test_nothing_is_lost_of_what_floods_in_while_the_endpoint_is_slow(deliveries: Any) -> None:
    delivery = deliveries(GatedSink())
    delivery.put(*range(5))
    assert delivery.sink.entered.wait(30)
    flood = list(range(5, MAX_IN_HAND + 20))
    delivery.put(*flood)
    assert delivery.batched.account().dropped == {}
    delivery.put(*range(10))
    assert delivery.batched.account().dropped == {"queue_full": 10}
    delivery.sink.gate.set()
    wait_until(lambda: delivery.batched.idle)
    assert delivery.sink.taken[: len(flood)] == list(range(len(flood)))


def test_a_batch_goes_out_when_it_is_complete_and_not_before(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.put(1, 2, 3, 4)
    delivery.pass_a_round()
    delivery.pass_a_round()
    assert not delivery.sink.requests
    delivery.put(5)
    wait_until(lambda: delivery.sink.taken == [1, 2, 3, 4, 5])
    assert len(delivery.sink.requests) == 1


def test_an_incomplete_batch_goes_out_after_the_flush_interval(deliveries: Any) -> None:
    delivery = deliveries(flush_interval=0.05)
    delivery.put("lonely")
    wait_until(lambda: delivery.sink.taken == ["lonely"])


def test_an_immediate_item_goes_out_at_once_whatever_the_batch(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.put("detection", lane=delivery.immediate)
    wait_until(lambda: delivery.news.taken == ["detection"])


def test_an_immediate_item_is_not_spaced(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route_module, "SPACING", NEVER)
    delivery = deliveries()
    for i in range(3):
        delivery.put(i, lane=delivery.immediate)
        wait_until(lambda i=i: len(delivery.news.taken) == i + 1)


def test_a_complete_batch_waits_for_the_spacing_and_a_half_full_queue_does_not(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_module, "SPACING", NEVER)
    delivery = deliveries()
    delivery.put(*range(5))
    wait_until(lambda: len(delivery.sink.requests) == 1)
    delivery.put(*range(5, 14))
    delivery.pass_a_round()
    delivery.pass_a_round()
    assert len(delivery.sink.requests) == 1
    delivery.put(14)
    wait_until(lambda: len(delivery.sink.requests) == 2)
    assert delivery.sink.taken == list(range(15))


def test_a_lane_that_is_always_due_does_not_keep_its_neighbour_waiting(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both take turns on the route that they share."""
    monkeypatch.setattr(route_module, "SPACING", 0.01)

    class BusySink(ScriptedSink):
        def send(self, envelope: Envelope, timeout: float) -> Outcome:
            if "neighbour" not in envelope.entries:
                delivery.put("more")
            return super().send(envelope, timeout)

    delivery = deliveries(BusySink(), batch_size=1)
    delivery.put("first")
    wait_until(lambda: len(delivery.sink.taken) > 2)
    delivery.put("neighbour", lane=delivery.beside)
    wait_until(lambda: "neighbour" in delivery.sink.taken, 5)


def test_a_failed_request_is_retried_and_what_came_later_follows(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_module, "SPACING", 0.0)
    monkeypatch.setattr(route_module, "_LONGEST_BACKOFF", 0.01)
    delivery = deliveries(ScriptedSink([RETRY, UNREACHABLE, RETRY]))
    delivery.put(*range(5))
    wait_until(lambda: delivery.sink.taken == list(range(5)))
    assert len({envelope.key for envelope in delivery.sink.requests}) == 1
    delivery.put(*range(5, 10))
    wait_until(lambda: delivery.sink.taken == list(range(10)))


def test_an_error_after_a_round_stops_nothing(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    delivery = deliveries()
    delivery.worker.after_round = lambda: 1 / 0
    delivery.put(*range(5))
    wait_until(lambda: delivery.sink.taken == list(range(5)))
    delivery.pass_a_round()


def test_flush_returns_when_everything_is_delivered(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.put(1, 2, 3)
    assert delivery.worker.flush(NEVER)
    assert delivery.sink.taken == [1, 2, 3]


def test_flush_has_nothing_to_wait_for_before_the_first_item(deliveries: Any) -> None:
    assert deliveries().worker.flush(NEVER)


def test_flush_does_not_wait_for_a_sink_that_fails(deliveries: Any) -> None:
    failing = Outcome(Verdict.RETRY, "http_503", retry_after=NEVER)
    delivery = deliveries(ScriptedSink([failing]))
    delivery.put(1)
    assert not delivery.worker.flush(NEVER)
    assert not delivery.worker.flush(NEVER)
    assert delivery.batched.account().pending == 1


def test_flush_gives_up_at_its_timeout(deliveries: Any) -> None:
    sink = GatedSink()
    delivery = deliveries(sink)
    delivery.put(1)
    assert not delivery.worker.flush(0.05)
    sink.gate.set()
    assert delivery.worker.flush(NEVER)


def test_several_threads_may_flush_at_once(deliveries: Any) -> None:
    sink = GatedSink()
    delivery = deliveries(sink)
    delivery.put(1)
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(delivery.worker.flush(NEVER))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    assert sink.entered.wait(30)
    sink.gate.set()
    for thread in threads:
        thread.join()
    assert answers == [True] * 4


def test_stop_delivers_what_is_left_and_takes_nothing_more(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.put(*range(3))
    delivery.put("detection", lane=delivery.immediate)
    delivery.worker.stop(NEVER)
    assert delivery.sink.taken == [0, 1, 2]
    assert delivery.news.taken == ["detection"]
    delivery.put("late")
    assert delivery.batched.account() == Account(4, 3, 0, 0, {"shutdown": 1})


def test_stop_interrupts_a_back_off_for_a_last_attempt(deliveries: Any) -> None:
    failing = Outcome(Verdict.RETRY, "unreachable", retry_after=NEVER, unreachable=True)
    delivery = deliveries(ScriptedSink([failing]))
    delivery.put(1)
    assert not delivery.worker.flush(NEVER)
    delivery.worker.stop(NEVER)
    assert delivery.sink.taken == [1]


def test_stop_gives_up_on_an_endpoint_that_nobody_answers(deliveries: Any) -> None:
    delivery = deliveries(ScriptedSink([UNREACHABLE] * 1000))
    delivery.put(*range(3))
    delivery.worker.stop(NEVER)
    assert delivery.batched.dropped == {"shutdown": 3}
    assert len(delivery.sink.requests) <= 4


def test_stop_leaves_a_sink_that_hangs(deliveries: Any) -> None:
    sink = GatedSink()
    delivery = deliveries(sink)
    delivery.put(1)
    delivery.worker.stop(0.05)
    lost = Account(1, 0, 0, 0, {"shutdown": 1})
    assert delivery.batched.account() == lost
    sink.gate.set()
    wait_until(lambda: not delivery.worker.thread.is_alive())
    assert delivery.batched.account() == lost


def test_stop_waits_on_while_there_is_progress(deliveries: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request takes most of the timeout, and all of them several times as long."""
    delivery = deliveries()
    pause = threading.Event()
    delivery.sink.send = lambda envelope, timeout: (pause.wait(0.15), SENT)[1]  # type: ignore[method-assign]
    monkeypatch.setattr(delivery.batched, "_pack", lambda items: (pack_one(item) for item in items))
    delivery.put(*range(6))
    delivery.worker.stop(0.4)
    assert delivery.batched.sent == 6


def pack_one(item: Any) -> Any:
    (envelope,) = pack_together([item])
    return envelope


def test_stop_without_a_thread_delivers_what_waits(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.batched.queue.put("never seen by a thread")
    delivery.worker.stop(NEVER)
    assert delivery.batched.account() == Account(1, 1, 0, 0, {})


def test_stop_delivers_what_only_waits_behind_a_sink_that_hangs(deliveries: Any) -> None:
    """As lines of the local file do behind a silent endpoint."""
    sink = GatedSink()
    delivery = deliveries(sink)
    delivery.put(*range(5))
    assert sink.entered.wait(30)
    delivery.immediate.queue.put("was waiting")
    delivery.worker.stop(0.05)
    assert delivery.news.taken == ["was waiting"]
    assert delivery.batched.dropped == {"shutdown": 5}
    sink.gate.set()


def test_a_flush_that_gave_up_puts_nobody_in_a_hurry(deliveries: Any) -> None:
    sink = GatedSink()
    delivery = deliveries(sink)
    delivery.put(1)
    assert not delivery.worker.flush(0.05)
    assert not delivery.worker._hurried
    sink.gate.set()


def test_nothing_starts_after_stop(deliveries: Any) -> None:
    delivery = deliveries()
    delivery.worker.stop(NEVER)
    delivery.put("late")
    assert delivery.worker.thread is None
    assert delivery.batched.dropped == {"shutdown": 1}


def test_stop_has_an_end_even_while_there_is_progress(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = deliveries()
    pause = threading.Event()
    delivery.sink.send = lambda envelope, timeout: (pause.wait(0.15), SENT)[1]  # type: ignore[method-assign]
    monkeypatch.setattr(delivery.batched, "_pack", lambda items: (pack_one(item) for item in items))
    delivery.put(*range(18))  # 2.7 seconds of it
    delivery.worker.stop(0.4, at_most=0.8)
    wait_until(lambda: delivery.batched.idle)
    assert 0 < delivery.batched.sent < 18
    assert delivery.batched.dropped == {"shutdown": 18 - delivery.batched.sent}


def test_stop_does_not_look_for_the_one_bad_entry(deliveries: Any) -> None:
    delivery = deliveries(ScriptedSink([Outcome(Verdict.SPLIT, "http_400")]), batch_size=100)
    delivery.put(*range(8))
    delivery.worker.stop(NEVER)
    assert delivery.batched.dropped == {"http_400": 8}


def test_a_batch_size_above_the_capacity_loses_nothing(deliveries: Any) -> None:
    delivery = deliveries(batch_size=10**6)
    capacity = delivery.batched.queue.capacity
    for i in range(3):
        delivery.put(*range(i * capacity, i * capacity + capacity // 2))
        wait_until(lambda: delivery.batched.idle)
    assert delivery.batched.dropped == {}


def test_a_fault_of_our_own_does_not_end_the_thread(
    deliveries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    monkeypatch.setattr(worker_module, "_PAUSE_AFTER_FAULT", 0.0)
    delivery = deliveries()
    faults = [RuntimeError("ours")]

    def fail_once() -> None:
        if faults:
            raise faults.pop()

    monkeypatch.setattr(delivery.worker, "_settle_flushes", fail_once)
    delivery.put(*range(5))
    wait_until(lambda: delivery.batched.sent == 5)
    wait_until(lambda: not faults)
    delivery.put(*range(5))
    wait_until(lambda: delivery.batched.sent == 10)
