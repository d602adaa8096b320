"""The pace of requests: spaced while all is well, backing off while it is not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.delivery import route as route_module
from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Verdict
from primus_lens_wandb_exporter.delivery.route import SPACING, Route

from .support.delivery import DROP, RETRY, SENT, SPLIT, ScriptedSink
from .support.properties import patient

NOW = 1000.0  # monotonic seconds; the tests' clock stands still
LONGEST_BACKOFF = 30.0
LONGEST_RETRY_AFTER = 120.0


@pytest.fixture(autouse=True, scope="module")
def _stopped_clock() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(route_module, "monotonic", lambda: NOW)
        yield


def route_after(*outcomes: Outcome) -> Route:
    """Return a route whose sink has just given these answers."""
    route = Route(ScriptedSink(outcomes))
    for _ in outcomes:
        route.send(Envelope("/", {}), 1.0, NOW)
    return route


def calm(route: Route) -> float:
    return route.open_at(hurried=False)


def hurried(route: Route) -> float:
    return route.open_at(hurried=True)


def told(seconds: float) -> Outcome:
    return Outcome(Verdict.RETRY, "http_429", retry_after=seconds)


def test_the_first_request_may_go_out_at_once() -> None:
    assert calm(Route(ScriptedSink())) <= 0


@pytest.mark.parametrize("outcome", [SENT, SPLIT, DROP])
def test_requests_are_spaced_unless_there_is_a_hurry(outcome: Outcome) -> None:
    route = route_after(outcome)
    assert route.healthy
    assert calm(route) == NOW + SPACING
    assert hurried(route) <= NOW


@given(failures=st.integers(1, 5000))  # an endpoint that is gone for a day
@patient
def test_back_off_is_jittered_between_the_spacing_and_a_growing_limit(failures: int) -> None:
    route = Route(ScriptedSink([RETRY]))
    route.failures = failures - 1
    route.send(Envelope("/", {}), 1.0, NOW)
    assert not route.healthy
    limit = min(LONGEST_BACKOFF, 2.0 ** min(failures, 10))
    assert NOW + SPACING <= calm(route) <= NOW + SPACING + limit


def test_back_off_uses_the_whole_range_so_that_pods_come_back_apart() -> None:
    delays = [calm(route_after(*[RETRY] * 8)) - NOW - SPACING for _ in range(200)]
    assert min(delays) < LONGEST_BACKOFF / 3
    assert max(delays) > LONGEST_BACKOFF * 2 / 3
    assert len(set(delays)) > 100


def test_back_off_leaves_the_programs_random_numbers_alone() -> None:
    before = random.getstate()
    route_after(RETRY, RETRY)
    assert random.getstate() == before


def test_success_ends_the_back_off() -> None:
    route = route_after(RETRY, RETRY, SENT)
    assert route.healthy
    assert calm(route) == NOW + SPACING


@pytest.mark.parametrize(("asked", "waited"), [(0, SPACING), (7, 7), (1e9, LONGEST_RETRY_AFTER)])
def test_retry_after_is_honoured_within_bounds(asked: float, waited: float) -> None:
    route = route_after(told(asked))
    assert NOW + waited <= calm(route) <= NOW + waited + SPACING


def test_pods_that_were_told_the_same_time_come_back_apart_and_the_later_the_longer_it_lasts() -> None:
    early = [calm(route_after(told(1))) - NOW for _ in range(200)]
    late = [calm(route_after(*[told(1)] * 8)) - NOW for _ in range(200)]
    assert len(set(early)) > 100
    assert min(late) < 1 + LONGEST_BACKOFF / 3
    assert max(late) > 1 + LONGEST_BACKOFF * 2 / 3


def test_retry_after_is_honoured_even_in_a_hurry() -> None:
    route = route_after(told(60))
    assert hurried(route) >= NOW + 60


def test_a_later_failure_without_retry_after_forgets_it() -> None:
    route = route_after(told(100), RETRY)
    assert calm(route) <= NOW + SPACING + 2.0


def test_neither_a_crowd_nor_a_hurry_shortens_the_back_off() -> None:
    """Ten thousand pods with full queues must not come back in step."""
    route = route_after(*[RETRY] * 12)
    assert hurried(route) == calm(route)


def test_at_exit_a_silent_endpoint_is_tried_at_once_and_an_answering_one_after_the_spacing() -> None:
    silent = route_after(Outcome(Verdict.RETRY, "unreachable", unreachable=True))
    silent.try_once_more()
    assert hurried(silent) <= NOW
    answering = route_after(told(60))
    answering.try_once_more()
    assert hurried(answering) == NOW + SPACING


def test_errors_retries_and_times_are_noted() -> None:
    route = route_after(Outcome(Verdict.RETRY, "http_500", "500 out of order"))
    assert (route.errors, route.retries, route.last_error) == (1, 0, "500 out of order")
    assert (route.last_success, route.took_at) == (None, 0.0)
    route.send(Envelope("/", {}), 1.0, NOW)
    assert (route.errors, route.retries) == (1, 1)
    assert route.last_success is not None
    assert route.took_at == NOW


class RaisingSink(ScriptedSink):
    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        raise RuntimeError("a bug")


def test_a_sink_that_raises_loses_its_envelope_and_no_more() -> None:
    outcome = Route(RaisingSink()).send(Envelope("/", {}), 1.0, NOW)
    assert outcome == Outcome(Verdict.DROP, "internal_error", "RuntimeError: a bug")
