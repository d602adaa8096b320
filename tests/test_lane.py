"""A lane's account: whatever becomes of a body, each item is sent, lost for a reason, or waiting."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from primus_lens_wandb_exporter import guard
from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Verdict
from primus_lens_wandb_exporter.delivery.lane import Account, Lane
from primus_lens_wandb_exporter.delivery.route import Route

from .support.delivery import DROP, RETRY, SENT, SPLIT, ScriptedSink, pack_together
from .support.properties import patient

PATIENCE = 3600.0  # seconds of retrying: for ever


def make_lane(pack: Any = pack_together, capacity: int = 100) -> Lane[Any]:
    return Lane("things", capacity, pack, Route(ScriptedSink()))


def next_envelope(lane: Lane[Any]) -> Envelope:
    envelope = lane.next_envelope()
    assert envelope is not None
    return envelope


def deliver(lane: Lane[Any], refuses: Any) -> list[Envelope]:
    """Settle everything that waits as a server would that refuses some bodies; return those taken."""
    taken: list[Envelope] = []
    for _ in range(1000):
        envelope = lane.next_envelope()
        if envelope is None:
            return taken
        outcome = refuses(envelope) or SENT
        if outcome is SENT:
            taken.append(envelope)
        lane.settle(outcome, PATIENCE)
    raise AssertionError("the lane never comes to an end")


def test_an_idle_lane_has_nothing_to_send() -> None:
    lane = make_lane()
    assert lane.idle
    assert lane.next_envelope() is None
    assert lane.account() == Account(0, 0, 0, 0, {})


def test_what_was_sent_is_counted_by_weight() -> None:
    lane = make_lane(lambda items: iter([Envelope("/", {}, "things", "x" * 7)]))
    lane.queue.put("item", 7)
    assert lane.account().pending == 7
    next_envelope(lane)
    assert not lane.idle
    lane.settle(SENT, PATIENCE)
    assert lane.idle
    assert lane.account() == Account(7, 7, 0, 0, {})


def test_a_retry_sends_the_same_body_under_the_same_key() -> None:
    lane = make_lane()
    lane.queue.put("1")
    first = next_envelope(lane)
    key, body = first.key, first.body()
    lane.queue.put(2)
    for _ in range(3):
        lane.settle(RETRY, PATIENCE)
        assert next_envelope(lane) is first
        assert (first.key, first.body()) == (key, body)
    assert lane.account().pending == 2


def fail(lane: Lane[Any], after: float, *, taken: bool) -> None:
    """Let the first body fail once more, so many seconds later; `taken`: others were, in between."""
    envelope = next_envelope(lane)
    envelope.created -= after
    lane.failed_at -= after
    lane.route.took_at = time.monotonic() if taken else lane.route.took_at - after
    lane.settle(RETRY, 300.0)


def test_while_there_is_room_a_body_waits_for_the_end_of_any_outage() -> None:
    lane = make_lane(capacity=3)
    lane.route.took_at = time.monotonic()  # before it began
    lane.queue.put("a")
    for _ in range(100):
        fail(lane, 30.0, taken=False)
    lane.queue.put("b")
    fail(lane, 30.0, taken=False)
    assert lane.account() == Account(2, 0, 0, 2, {})


def test_in_a_crowd_retrying_ends_with_the_retry_timeout() -> None:
    lane = make_lane(capacity=3)
    lane.queue.put("lost")
    fail(lane, 299.0, taken=False)
    lane.queue.put("next")
    lane.queue.put("after that")
    fail(lane, 0.5, taken=False)
    assert not lane.dropped
    fail(lane, 0.5, taken=False)
    assert lane.dropped == {"retry_timeout": 1}
    assert next_envelope(lane).entries == ["next", "after that"]


def test_a_body_that_others_overtake_is_retried_until_the_retry_timeout() -> None:
    lane = make_lane()
    lane.queue.put("lost")
    fail(lane, 0.0, taken=False)
    for _ in range(29):
        fail(lane, 10.0, taken=True)
    assert not lane.dropped
    fail(lane, 10.0, taken=True)
    assert lane.dropped == {"retry_timeout": 1}
    lane.queue.put("next")
    fail(lane, 300.0, taken=False)
    fail(lane, 10.0, taken=True)
    assert lane.account().pending == 1


@pytest.mark.parametrize("order", [[True, False, False], [False, False, True]])
def test_a_stumble_beside_an_outage_does_not_make_a_body_the_culprit(order: list[bool]) -> None:
    lane = make_lane()
    lane.queue.put("kept")
    fail(lane, 0.0, taken=False)
    for taken in order:
        fail(lane, 10.0 if taken else 3600.0, taken=taken)
    assert lane.account().pending == 1


def test_halves_travel_in_order_under_new_keys() -> None:
    lane = make_lane()
    for i in range(5):
        lane.queue.put(i)
    whole = next_envelope(lane)
    lane.settle(SPLIT, PATIENCE)
    first = next_envelope(lane)
    lane.settle(SENT, PATIENCE)
    second = next_envelope(lane)
    assert [*first.entries, *second.entries] == [0, 1, 2, 3, 4]
    assert len({whole.key, first.key, second.key}) == 3
    assert (first.path, first.head, first.field) == (whole.path, whole.head, whole.field)


def test_a_server_that_takes_one_entry_at_a_time_gets_them_all() -> None:
    lane = make_lane()
    for i in range(11):
        lane.queue.put(i)
    taken = deliver(lane, lambda envelope: SPLIT if envelope.weight > 1 else None)
    assert [list(envelope.entries) for envelope in taken] == [[i] for i in range(11)]
    assert lane.account() == Account(11, 11, 0, 0, {})


def test_an_entry_too_large_by_itself_is_lost_alone() -> None:
    lane = make_lane()
    for i in range(11):
        lane.queue.put(i)
    taken = deliver(lane, lambda envelope: SPLIT if 4 in envelope.entries else None)
    assert [i for envelope in taken for i in envelope.entries] == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert lane.account() == Account(11, 10, 0, 0, {"http_413": 1})


@pytest.mark.parametrize("culprit", range(8))
def test_exactly_the_culprit_of_a_refusal_is_lost(culprit: int) -> None:
    bad = Outcome(Verdict.SPLIT, "http_400", "400 invalid request format")
    lane = make_lane()
    for i in range(8):
        lane.queue.put(i)
    taken = deliver(lane, lambda envelope: bad if culprit in envelope.entries else None)
    assert [i for envelope in taken for i in envelope.entries] == [i for i in range(8) if i != culprit]
    assert lane.dropped == {"http_400": 1}


def test_a_body_without_entries_is_lost_whole_when_it_is_refused() -> None:
    lane = make_lane(lambda items: (Envelope("/detection", {"run": item}) for item in items))
    lane.queue.put("a")
    lane.queue.put("b")
    taken = deliver(lane, lambda envelope: SPLIT if envelope.head["run"] == "a" else None)
    assert [envelope.head["run"] for envelope in taken] == ["b"]
    assert lane.account() == Account(2, 1, 0, 0, {"http_413": 1})


def test_a_permanent_refusal_is_not_split() -> None:
    lane = make_lane()
    for i in range(4):
        lane.queue.put(i)
    assert deliver(lane, lambda envelope: DROP) == []
    assert lane.dropped == {"http_404": 4}


def pack_nothing_but_errors(items: Sequence[Any]) -> Iterator[Envelope]:
    raise RuntimeError("cannot pack")
    yield


def pack_nothing_at_once(items: Sequence[Any]) -> Iterator[Envelope]:
    raise RuntimeError("cannot even begin to pack")


def pack_half_way(items: Sequence[Any]) -> Iterator[Envelope]:
    yield Envelope("/", {}, "things", items[:1])
    raise RuntimeError("cannot pack the rest")


def pack_too_little(items: Sequence[Any]) -> Iterator[Envelope]:
    yield Envelope("/", {}, "things", items[:1])


@pytest.mark.parametrize(
    ("pack", "arrives"),
    [
        (pack_nothing_but_errors, []),
        (pack_nothing_at_once, []),
        (pack_half_way, [0]),
        (pack_too_little, [0]),
    ],
)
def test_what_cannot_be_packed_is_lost_and_the_lane_goes_on(
    pack: Any, arrives: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    broken = [True]
    lane = make_lane(lambda items: pack(items) if items and broken.pop() else pack_together(items))
    for i in range(4):
        lane.queue.put(i)
    taken = deliver(lane, lambda envelope: None)
    assert [i for envelope in taken for i in envelope.entries] == arrives
    lost = 4 - len(arrives)
    assert lane.account() == Account(4, 4 - lost, 0, 0, {"internal_error": lost})
    broken.append(False)
    lane.queue.put("next")
    assert next_envelope(lane).entries == ["next"]


def test_giving_up_counts_what_is_in_hand_and_what_waits() -> None:
    lane = make_lane()
    lane.queue.put("in hand")
    next_envelope(lane)
    lane.queue.put("waits")
    lane.give_up("shutdown")
    assert lane.idle
    assert lane.account() == Account(2, 0, 0, 0, {"shutdown": 2})


def test_refusals_of_the_queue_are_losses_of_the_lane() -> None:
    lane = make_lane(capacity=1)
    lane.queue.put("a")
    lane.queue.put("b", 3)
    lane.give_up("queue_full")
    assert lane.account() == Account(4, 0, 0, 0, {"queue_full": 4})


def pack_by_two(items: Sequence[list[int]]) -> Iterator[Envelope]:
    entries = [entry for item in items for entry in item]
    for start in range(0, len(entries), 2):
        yield Envelope("/", {}, "things", entries[start : start + 2])


def pack_at_once(items: Sequence[list[int]]) -> Iterable[Envelope]:
    return pack_together([entry for item in items for entry in item])


class AccountOfALane(RuleBasedStateMachine):
    """Puts and answers in any order; `outstanding` is what an outsider knows to be on its way."""

    @initialize(pack=st.sampled_from([pack_by_two, pack_at_once]))
    def make(self, pack: Any) -> None:
        self.lane = make_lane(pack, capacity=4)
        self.outstanding: list[int] = []
        self.offered = self.sent = self.lost = 0

    @rule()
    def take_from_another_lane(self) -> None:
        self.lane.route.took_at = time.monotonic() + PATIENCE

    @rule(weight=st.integers(1, 5))
    def put(self, weight: int) -> None:
        item = list(range(self.offered, self.offered + weight))
        self.offered += weight
        if self.lane.queue.put(item, weight):
            self.outstanding += item
        else:
            self.lost += weight

    @rule(outcome=st.sampled_from([SENT, RETRY, SPLIT, DROP]), patience=st.sampled_from([0.0, PATIENCE]))
    def answer(self, outcome: Outcome, patience: float) -> None:
        envelope = self.lane.next_envelope()
        if envelope is None:
            assert not self.outstanding
            return
        count = len(envelope.entries)
        assert list(envelope.entries) == self.outstanding[:count]
        crowded, overtaken = self.lane.queue.half_full, self.lane.route.took_at > 0
        may_wait = patience or not (crowded or overtaken)
        self.lane.settle(outcome, patience)
        if outcome is SENT:
            self.sent += count
        elif outcome in (RETRY, SPLIT) and (may_wait if outcome is RETRY else count > 1):
            return
        else:
            self.lost += count
        del self.outstanding[:count]

    @rule()
    def give_up(self) -> None:
        self.lane.give_up("shutdown")
        self.lost += len(self.outstanding)
        self.outstanding.clear()

    @rule()
    def close(self) -> None:
        self.lane.queue.close()

    @invariant()
    def the_account_is_right(self) -> None:
        account = self.lane.account()
        assert account.accepted == self.offered
        assert account.sent == self.sent
        assert sum(account.dropped.values()) == self.lost
        assert account.pending == len(self.outstanding)
        assert self.lane.idle == (not self.outstanding)

    def teardown(self) -> None:
        taken = deliver(self.lane, lambda envelope: None)
        assert [entry for envelope in taken for entry in envelope.entries] == self.outstanding


TestAccountOfALane = AccountOfALane.TestCase
TestAccountOfALane.settings = settings(patient, max_examples=60, stateful_step_count=40)
