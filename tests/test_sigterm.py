"""A process that is told to end: it delivers what it has, and ends as it would without us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from .support.ending import end, told_to_end
from .support.processor import Processor
from .support.scripts import ScriptRunner

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals of Linux")

# Logs five calls that are not due for an hour, then says that it is ready.
LOG = """
import os, signal, sys, threading, time
import wandb
run = wandb.init()
for i in range(5):
    run.log({"a": i})
def say(text):  # a handler may not print in the middle of a print
    os.write(1, f"{text}\\n".encode())
def ready():
    say("ready")
"""
LATE = {"PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "3600", "PRIMUS_LENS_WANDB_BATCH_SIZE": "1000"}
FIVE = [(i, i) for i in range(5)]
# What must not be reached.
FOREVER = """
import atexit
atexit.register(print, "atexit")
try:
    ready()
    while True:
        time.sleep(0.01)
except BaseException:
    print("except")
finally:
    print("finally")
"""


def test_all_arrives_no_line_of_the_user_follows_and_it_dies_of_sigterm(
    scripts: ScriptRunner, processor: Processor
) -> None:
    with told_to_end(scripts, LOG + FOREVER, environ=LATE) as process:
        assert end(process) == (-signal.SIGTERM, "")
    assert processor.series("a") == FIVE


def test_without_us_it_ends_alike(scripts: ScriptRunner) -> None:
    with told_to_end(scripts, LOG + FOREVER, hooked=False, environ=LATE) as process:
        assert end(process) == (-signal.SIGTERM, "")


def test_a_shell_sees_status_143(scripts: ScriptRunner, processor: Processor) -> None:
    source = LOG + 'ready()\nos.kill(os.getpid(), signal.SIGTERM)\nprint("went on")\n'
    (scripts.folder / "job.py").write_text(source)
    hook = {"PYTHONPATH": f"{os.getcwd()}/sitecustomize"}
    finished = subprocess.run(
        ["sh", "-c", f"{sys.executable} job.py; echo $?"],
        cwd=scripts.folder,
        env={**scripts.environ, **LATE, **hook},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.stdout == "ready\n143\n"
    assert processor.series("a") == FIVE


def test_it_works_while_the_main_thread_sits_in_c_code(
    scripts: ScriptRunner, processor: Processor
) -> None:
    """Without the GIL, in a wait that no signal ends, like a collective that hangs."""
    in_c = """
import ctypes
lock, take = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
take(lock)
ready()
take(lock)
print("came back")
"""
    with told_to_end(scripts, LOG + in_c, environ=LATE) as process:
        assert end(process) == (-signal.SIGTERM, "")
    assert processor.series("a") == FIVE


HANDLER = """
def handle(signum, frame):
    say(f"handled {signum} {frame is not None}")
    handled.set()
handled = threading.Event()
"""
UNTIL_HANDLED = """
ready()
while not handled.wait(0.01):
    pass
print(signal.getsignal(signal.SIGTERM) is handle)
"""


def test_a_handler_from_before_us_runs_once_and_stays(
    scripts: ScriptRunner, processor: Processor
) -> None:
    install = "import signal, threading\n" + HANDLER + "signal.signal(signal.SIGTERM, handle)\n"
    with told_to_end(scripts, install + LOG + UNTIL_HANDLED, environ=LATE) as process:
        assert end(process) == (0, "handled 15 True\nTrue\n")
    assert processor.series("a") == FIVE


def test_a_handler_from_after_us_runs_once_and_stays(
    scripts: ScriptRunner, processor: Processor
) -> None:
    """One that calls the handler it found, as Lightning's does."""
    install = """
def handle_and_chain(*given):
    handle(*given)
    if callable(before):
        before(*given)
before = signal.signal(signal.SIGTERM, handle_and_chain)
"""
    until = UNTIL_HANDLED.replace("is handle)", "is handle_and_chain)")
    with told_to_end(scripts, LOG + HANDLER + install + until, environ=LATE) as process:
        assert end(process) == (0, "handled 15 True\nTrue\n")
    assert processor.series("a") == FIVE


def test_a_handler_that_puts_back_what_it_found_and_kills_again_ends_the_process(
    scripts: ScriptRunner, processor: Processor
) -> None:
    install = """
def handle(signum, frame):
    say("saved")
    signal.signal(signal.SIGTERM, before)
    os.kill(os.getpid(), signal.SIGTERM)
before = signal.signal(signal.SIGTERM, handle)
"""
    with told_to_end(scripts, LOG + install + FOREVER, environ=LATE) as process:
        assert end(process) == (-signal.SIGTERM, "saved\n")
    assert processor.series("a") == FIVE


@pytest.mark.parametrize(
    "disposition",
    [
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        "import faulthandler; faulthandler.register(signal.SIGTERM, file=open(os.devnull, 'w'))",
        "import ctypes; ctypes.CDLL(None).signal(signal.SIGTERM, 1)",
    ],
    ids=["ignored", "handled in C", "ignored in C"],
)
def test_a_disposition_that_is_not_the_default_is_left_alone(
    scripts: ScriptRunner, processor: Processor, disposition: str
) -> None:
    """It goes on, and ends by itself."""
    go_on = "ready()\nsys.stdin.read()\ntime.sleep(0.3)\nprint('went on')\n"
    with told_to_end(
        scripts, f"import os, signal\n{disposition}\n" + LOG + go_on, environ=LATE
    ) as process:
        assert end(process) == (0, "went on\n")
    assert processor.series("a") == FIVE


def test_a_process_that_never_had_a_run_keeps_the_default(scripts: ScriptRunner) -> None:
    finished = scripts.run(
        "import signal, wandb\nprint(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    assert finished.stdout == "True\n"


def test_a_silent_endpoint_delays_the_end_by_two_seconds_at_most(
    scripts: ScriptRunner, processor: Processor
) -> None:
    with processor.silent(), told_to_end(scripts, LOG + FOREVER, environ=LATE) as process:
        started = time.monotonic()
        assert end(process) == (-signal.SIGTERM, "")
        assert time.monotonic() - started < 4  # 2, and what a busy machine adds


def test_a_second_signal_ends_it_at_once(scripts: ScriptRunner, processor: Processor) -> None:
    job = told_to_end(scripts, LOG + FOREVER, environ=LATE)
    with processor.silent() as asked, job as process:
        assert asked.wait(30)
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
        assert end(process)[0] == -signal.SIGTERM


def test_a_wakeup_descriptor_in_use_is_left_alone(scripts: ScriptRunner) -> None:
    use = """
import signal, socket
theirs, end = socket.socketpair()
end.setblocking(False)
signal.set_wakeup_fd(end.fileno())
"""
    finished = scripts.run(use + LOG + "print(signal.set_wakeup_fd(-1) == end.fileno())")
    assert finished.stdout == "True\n"


def test_a_forked_child_dies_of_it_at_once_and_its_parent_lives(
    scripts: ScriptRunner, processor: Processor
) -> None:
    """Also one that was forked behind Python's back, and still shares what its parent watches.

    One of those may hang, also without us: a thread of its parent's held a lock of the interpreter's.
    """
    finished = scripts.run(
        LOG
        + """
import ctypes
def ending(fork):
    child = fork()
    if not child:
        while True:
            time.sleep(0.01)
    time.sleep(0.1)
    os.kill(child, signal.SIGTERM)
    for _ in range(1000):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WTERMSIG(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.WTERMSIG(os.waitpid(child, 0)[1])
print(ending(os.fork))
raw = ctypes.PyDLL(None).fork
print(next(seen for seen in iter(lambda: ending(raw), None) if seen != signal.SIGKILL))
print("alive")
"""
    )
    assert finished.stdout == "15\n15\nalive\n"
    assert processor.series("a") == FIVE


def test_a_forked_child_that_logs_delivers_before_it_dies(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        LOG
        + """
reader, writer = os.pipe()
child = os.fork()
if not child:
    run.log({"b": 1.0})
    os.write(writer, b"x")
    while True:
        time.sleep(0.01)
os.read(reader, 1)
os.kill(child, signal.SIGTERM)
assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
""",
        environ=LATE,
    )
    assert [value for _, value in processor.series("b")] == [1.0]
    assert processor.series("a") == FIVE


def test_as_init_of_a_container_nothing_changes(scripts: ScriptRunner, processor: Processor) -> None:
    unshare = ["unshare", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no process namespaces here")
    (scripts.folder / "job.py").write_text(
        LOG + "print(os.getpid(), signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)\n"
    )
    finished = subprocess.run(
        [*unshare, sys.executable, "job.py"],
        cwd=scripts.folder,
        env={**scripts.environ, "PYTHONPATH": f"{os.getcwd()}/sitecustomize"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert finished.stdout == "1 True\n"
    assert processor.series("a") == FIVE
