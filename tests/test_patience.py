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
    assert Patience(60).call("source", lambda: 7) == 7
    assert Patience(60).call("source", lambda: None) is None


def test_it_is_asked_in_a_daemon_thread_of_ours() -> None:
    thread = Patience(60).call("source", threading.current_thread)
    assert (thread.name, thread.daemon) == ("primus-lens-source", True)


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        Patience(60).call("source", lambda: 1 // 0)


def test_who_hangs_is_not_waited_for_nor_asked_again(hang: threading.Event) -> None:
    patience, asked = Patience(0.01), []

    def source() -> None:
        asked.append(threading.current_thread())
        hang.wait()

    for _ in range(3):
        with pytest.raises(OutOfPatience):
            patience.call("source", source)
    assert len(asked) == 1
    assert patience.call("another", lambda: 7) == 7


def test_who_comes_back_late_is_asked_again(hang: threading.Event) -> None:
    patience, asked = Patience(0.01), []

    def source() -> int:
        asked.append(threading.current_thread())
        if len(asked) == 1:
            hang.wait()
        return len(asked)

    with pytest.raises(OutOfPatience, match="no answer within"):
        patience.call("source", source)
    hang.set()
    asked[0].join()
    patience.seconds = 60
    assert patience.call("source", source) == 2


def test_where_no_thread_can_be_started_it_is_asked_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Patience(60).call("source", threading.current_thread) is threading.current_thread()
