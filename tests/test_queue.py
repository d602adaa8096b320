"""The bounded queue: what it takes, what it refuses, and that it keeps count of both."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from primus_lens_wandb_exporter.delivery.queue import BoundedQueue


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Let threads interrupt each other as often as the interpreter can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_items_leave_in_the_order_they_came() -> None:
    queue: BoundedQueue[int] = BoundedQueue(10)
    for i in range(5):
        assert queue.put(i, weight=i + 1) == i + 1
    assert queue.take(1000) == [(i, i + 1) for i in range(5)]
    assert len(queue) == 0
    assert queue.take(1000) == []


def test_a_full_queue_refuses_the_new_item_and_counts_its_weight() -> None:
    queue: BoundedQueue[str] = BoundedQueue(2)
    queue.put("a", 5)
    queue.put("b", 7)
    assert queue.put("c", 11) == 0
    assert queue.refused == {"queue_full": 11, "shutdown": 0}
    assert queue.offered == 23
    assert queue.take(1000) == [("a", 5), ("b", 7)]


def test_what_is_allowed_beyond_the_capacity_is_counted_by_weight() -> None:
    queue: BoundedQueue[int] = BoundedQueue(2)
    for i in range(2):
        queue.put(i, 5)
    queue.allow(10)
    assert [queue.put(i, 5) for i in (2, 3, 4)] == [3, 4, 0]
    queue.allow(10)  # what waits beyond the capacity has been allowed before
    assert queue.put(5, 1) == 0
    queue.take(10)
    queue.allow(10)
    assert [queue.put(i, 10) for i in (6, 7)] == [3, 0]
    queue.close()
    assert queue.put(8, 0) == 0


def test_some_items_may_pass_the_capacity_by_so_much() -> None:
    queue: BoundedQueue[int] = BoundedQueue(1)
    assert [queue.put(i, 1, beyond=2) for i in range(4)] == [1, 2, 3, 0]
    assert queue.put(4) == 0
    assert queue.refused["queue_full"] == 2
    queue.take(1)
    queue.allow(0)  # what waits beyond the capacity does so by that leave
    assert [queue.put(5, 1, beyond=2), queue.put(6, 1, beyond=2)] == [3, 0]
    queue.close()
    assert queue.put(7, 1, beyond=2) == 0


def test_a_closed_queue_refuses_with_the_reason_and_keeps_what_it_has() -> None:
    queue: BoundedQueue[str] = BoundedQueue(1)
    queue.put("a")
    queue.put("b", 2)
    queue.close()
    assert queue.put("c", 3) == 0
    assert queue.refused == {"queue_full": 2, "shutdown": 3}
    assert queue.take(10) == [("a", 1)]


def test_taking_stops_before_the_limit_is_passed() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)
    for name in "abc":
        queue.put(name, 4)
    assert queue.take(8) == [("a", 4), ("b", 4)]
    assert queue.take(8) == [("c", 4)]


def test_taking_gives_one_item_even_if_it_alone_passes_the_limit() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)
    queue.put("heavy", 1000)
    queue.put("light", 1)
    assert queue.take(10) == [("heavy", 1000)]


def test_half_full_means_half_of_the_items() -> None:
    queue: BoundedQueue[int] = BoundedQueue(5)
    queue.put(0, 100)
    queue.put(1, 100)
    assert not queue.half_full
    queue.put(2)
    assert queue.half_full


def test_waiting_is_counted_from_the_oldest_item() -> None:
    queue: BoundedQueue[int] = BoundedQueue(5)
    queue.put(0)
    since = queue.waiting_from()
    queue.put(1)
    assert queue.waiting_from() == since
    queue.take(10)
    queue.put(2)
    assert queue.waiting_from() > since


@pytest.mark.usefixtures("frequent_switches")
def test_many_producers_pass_the_capacity_by_one_item_each_at_most() -> None:
    for _ in range(20):
        queue: BoundedQueue[int] = BoundedQueue(7)
        answers: list[int] = []
        _in_threads(8, lambda queue=queue, answers=answers: _put_many(queue, 20, answers))
        assert 7 <= len(queue) < 7 + 8
        assert sum(answer > 0 for answer in answers) == len(queue)
        assert queue.offered == 8 * 20
        assert queue.refused["queue_full"] == 8 * 20 - len(queue)


@pytest.mark.usefixtures("frequent_switches")
def test_everything_is_accounted_for_while_a_consumer_takes() -> None:
    queue: BoundedQueue[int] = BoundedQueue(16)
    taken: list[tuple[int, int]] = []
    over = threading.Event()

    def consume() -> None:
        while not over.is_set() or len(queue):
            assert len(queue) < 16 + 4
            taken.extend(queue.take(5))

    consumer = threading.Thread(target=consume)
    consumer.start()
    _in_threads(4, lambda: _put_many(queue, 2000, []))
    over.set()
    consumer.join()
    assert queue.offered == 8000
    assert len(taken) == 8000 - queue.refused.get("queue_full", 0)


def _put_many(queue: BoundedQueue[int], count: int, answers: list[int]) -> None:
    for i in range(count):
        answers.append(queue.put(i))


def _in_threads(count: int, work: object) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("frequent_switches")
def test_what_was_offered_is_known_at_every_moment() -> None:
    queue: BoundedQueue[int] = BoundedQueue(200)
    over = threading.Event()
    for i in range(200):
        queue.put(i, 3)

    def consume() -> None:
        while not over.is_set():
            for i, _ in queue.take(30):
                queue.put(i, 3)  # the same again, so what was offered grows by what was taken

    consumer = threading.Thread(target=consume)
    consumer.start()
    try:
        offered = [queue.offered for _ in range(300)]
    finally:
        over.set()
        consumer.join()
    assert offered == sorted(offered)
    assert not [amount for amount in offered if amount % 3]
    assert queue.offered == queue._taken + 3 * len(queue)


class _LogsWhenWeighed(int):
    """A weight that puts another item in the middle of a `put`, as a finaliser might."""

    queue: BoundedQueue[str] | None

    def __gt__(self, other: int) -> bool:
        queue, self.queue = self.queue, None
        if queue is not None:
            queue.put("from within")
        return int(self) > other


def test_a_put_in_the_middle_of_a_put_does_not_deadlock() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)
    weight = _LogsWhenWeighed(1)
    weight.queue = queue
    thread = threading.Thread(target=queue.put, args=("outer", weight), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert [item for item, _ in queue.take(10)] == ["from within", "outer"]


@pytest.mark.skipif(
    sys.version_info < (3, 10),
    reason="Python 3.9 runs handlers between any two instructions, also within +=: a count may be lost",
)
def test_a_signal_handler_may_put_at_any_moment() -> None:
    queue: BoundedQueue[str] = BoundedQueue(10)
    calls = 0

    def handle(signum: int, frame: FrameType | None) -> None:
        nonlocal calls
        calls += 1
        queue.put("from the handler")

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    try:
        puts = 0
        while calls < 200:
            queue.put("from the program")
            puts += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    waiting = len(queue)
    assert waiting == 10
    # The counters of a handler that falls into the middle of a count must not be lost either.
    assert queue.offered == waiting + queue.refused["queue_full"]
    assert queue.offered == puts + calls
