"""The boundary between our code and the user's, and the one place that prints."""

from __future__ import annotations

import os

import pytest

from primus_lens_wandb_exporter import guard


@pytest.fixture(autouse=True)
def _as_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    monkeypatch.setattr(guard, "internal_errors", 0)
    monkeypatch.setattr(guard, "debug_enabled", False)
    monkeypatch.setattr(guard, "_last_warning", None)


def test_an_exception_of_ours_is_swallowed_and_counted_in_silence(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with guard.boundary, guard.boundary:
        raise ValueError("ours")
    assert guard.internal_errors == 1
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_the_users_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), guard.boundary:
        raise error
    assert guard.internal_errors == 0


def test_the_debug_log_names_the_exception_and_its_place(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "debug_enabled", True)
    with guard.boundary:
        raise ValueError("ours")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("[Primus Lens WandB] internal error: ValueError: ours at test_guard.py:")


def test_the_debug_log_is_silent_unless_it_is_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    guard.debug("[prefix]", "unseen")
    monkeypatch.setattr(guard, "debug_enabled", True)
    guard.debug("[prefix]", "seen \udc80")
    assert capfd.readouterr().err == "[prefix] seen \\udc80\n"


def test_a_warning_is_printed_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    now = [1000.0]
    monkeypatch.setattr(guard.time, "monotonic", lambda: now[0])
    for _ in range(3):
        guard.warn("lost")
    now[0] += guard._SECONDS_BETWEEN_WARNINGS
    guard.warn("lost again")
    assert capfd.readouterr().err.splitlines() == [
        "[Primus Lens API Reporter] lost",
        "[Primus Lens API Reporter] lost again",
    ]


def test_a_closed_standard_error_is_nobodys_problem() -> None:
    kept = os.dup(2)
    os.close(2)
    try:
        guard.warn("unheard")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
