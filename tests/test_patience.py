"""What hangs holds nobody up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from primus_lens_wandb_exporter.patience import OutOfPatience, Patience


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    over = threading.Event()
    yield over
    over.set()


def test_an_answer_in_time_is_returned() -> None:
    assert Patience().call("source", lambda: 7, 60) == 7
    assert Patience().call("source", lambda: None, 60) is None


def test_it_is_asked_in_a_daemon_thread_of_ours() -> None:
    thread = Patience().call("source", threading.current_thread, 60)
    assert (thread.name, thread.daemon) == ("primus-lens-source", True)


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Patience().call("source", lambda: 1 // 0, 60)


def test_what_would_end_a_thread_is_an_error_like_any_other() -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(RuntimeError, match="SystemExit"):
        Patience().call("source", leave, 60)


def test_who_hangs_is_not_waited_for_nor_asked_again(hang: threading.Event) -> None:
    patience, asked = Patience(), []

    def source() -> None:
        asked.append(threading.current_thread())
        hang.wait()

    for _ in range(3):
        with pytest.raises(OutOfPatience):
            patience.call("source", source, 0.01)
    assert len(asked) == 1
    assert patience.call("another", lambda: 7, 60) == 7


def test_a_late_answer_is_that_of_the_next_call(hang: threading.Event) -> None:
    patience, asked = Patience(), []

    def source() -> int:
        asked.append(threading.current_thread())
        hang.wait()
        return len(asked)

    with pytest.raises(OutOfPatience, match="no answer within"):
        patience.call("source", source, 0.01)
    assert not patience.has_late_answers
    hang.set()
    asked[0].join()
    assert patience.has_late_answers
    assert patience.call("source", source, 60) == 1
    assert not patience.has_late_answers
    assert patience.call("source", source, 60) == 2


def test_where_no_thread_can_be_started_only_what_is_safe_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    here = threading.current_thread()
    assert Patience().call("source", threading.current_thread, 60, safe=True) is here
    with pytest.raises(OutOfPatience):
        Patience().call("source", threading.current_thread, 60)
