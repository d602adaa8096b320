"""Where a training script may have to live, and what others may have done to its process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import lru_cache

import pytest

from primus_lens_wandb_exporter.capture import capture, plain_numbers

from .support.law import check_law
from .support.processor import Processor
from .support.scripts import REPOSITORY, Finished, ScriptRunner
from .support.twice import QUIET, as_without_us

TRAIN = """
import wandb
run = wandb.init()
for i in range(20):
    run.log({"loss": i, "note": "n"})
run.finish()
"""
TWENTY = [(i, float(i)) for i in range(20)]

# Reports without wandb, where wandb itself cannot live.
DIRECT = """
import os, sys, time
from primus_lens_wandb_exporter.exporter import get_exporter
exporter = get_exporter()
class Run:
    id, config = "run-1", {}
run = Run()
exporter.announce(run)
def log(count=20):
    for i in range(count):
        exporter.record("run-1", time.time(), i, {"loss": float(i)}, {})
"""
DIRECTLY = {"hooked": False, "pythonpath": [REPOSITORY]}


def arrived(processor: Processor) -> bool:
    return processor.series("loss") == TWENTY and len(processor.detections) == 1


@lru_cache
def can(*command: str) -> bool:
    try:
        return not subprocess.run([*command, "true"], capture_output=True, timeout=10).returncode
    except OSError:
        return False


def run_by(scripts: ScriptRunner, command: Sequence[str], source: str, **environ: str) -> None:
    """Run a script by a command that changes what the process may do; it must end well, in silence."""
    python = scripts.folder / "python"
    python.write_text(f'#!/bin/sh\nexec {" ".join(command)} {sys.executable} "$@"\n')
    python.chmod(0o755)
    finished = scripts.run(source, python=str(python), environ={**QUIET, **environ})
    assert finished.stdout == finished.stderr == finished.debug == ""


@pytest.fixture
def read_only(scripts: ScriptRunner) -> list[str]:
    """A command that runs another where nothing but the scripts' folder can be written."""
    if not can("unshare", "-rm"):
        pytest.skip("no mount namespaces here")
    script = scripts.folder / "read_only.sh"
    script.write_text(
        f"""
        mount --bind {scripts.folder} {scripts.folder}
        mount -o remount,bind,ro / && mount -t tmpfs -o ro none /dev/shm || exit 125
        cd {scripts.folder}
        exec "$@"
        """
    )
    return ["unshare", "-rm", "sh", str(script)]


def test_a_read_only_file_system(
    scripts: ScriptRunner, processor: Processor, read_only: list[str]
) -> None:
    run_by(scripts, read_only, TRAIN)
    assert arrived(processor)


def test_a_file_system_with_no_place_to_write_at_all(
    scripts: ScriptRunner, processor: Processor, read_only: list[str]
) -> None:
    """No statistics can be published then."""
    nowhere = {"TMPDIR": "/", "HOME": "/", "PYTHONPATH": str(REPOSITORY)}
    run_by(scripts, read_only, DIRECT + "log()", **nowhere)
    assert arrived(processor)


def test_a_user_whom_nobody_knows(scripts: ScriptRunner, processor: Processor) -> None:
    if not can("unshare", "--map-user=12345"):
        pytest.skip("no user namespaces here")
    unknown = "import os, pwd\ntry: pwd.getpwuid(os.getuid())\nexcept KeyError: pass\nelse: os.abort()\n"
    run_by(scripts, ["unshare", "--map-user=12345"], unknown + TRAIN)
    assert arrived(processor)


def test_no_home(scripts: ScriptRunner, processor: Processor) -> None:
    del scripts.environ["HOME"]
    finished = scripts.run(TRAIN, environ=QUIET)
    assert finished.stdout == finished.debug == ""  # wandb itself is upset
    assert arrived(processor)


def test_a_working_directory_that_was_deleted(scripts: ScriptRunner, processor: Processor) -> None:
    as_without_us(
        scripts,
        f"""
import os
import wandb
run = wandb.init()
os.mkdir("gone")
os.chdir("gone")
os.rmdir("../gone")
{TRAIN.replace("run = wandb.init()", "")}
""",
    )
    assert arrived(processor)


EXHAUST = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
def exhaust():
    taken = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        return taken
"""


def test_file_descriptors_that_are_used_up_from_the_start_and_come_back(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        f"""
import os
{EXHAUST}
{DIRECT.replace("exporter.announce", "taken = exhaust(); exporter.announce")}
log()
while not exporter.stats()["errors"]:
    time.sleep(0.01)
for descriptor in taken:
    os.close(descriptor)
while exporter.stats()["pending"]["metrics"]:
    time.sleep(0.01)
print_stats()
""",
        environ=QUIET,
        **DIRECTLY,
    )
    assert finished.stderr == finished.debug == ""
    assert arrived(processor)
    check_law(finished.stats)


def test_file_descriptors_that_are_used_up_later_and_come_back(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        f"""
import os, time
import wandb
from primus_lens_wandb_exporter.exporter import get_exporter
{EXHAUST}
run = wandb.init()
run.log({{"before": 1}})
exporter = get_exporter()
while exporter.stats()["sent"]["metrics"] < 1:
    exporter.flush(1)
    time.sleep(0.01)
exporter.lanes["metrics"].route.sink._connection.close()
taken = exhaust()
for i in range(20):
    run.log({{"loss": i}})
while not exporter.stats()["errors"]:
    exporter.flush(0.1)
    time.sleep(0.01)
for descriptor in taken:
    os.close(descriptor)
run.finish()
while exporter.stats()["pending"]["metrics"]:
    time.sleep(0.01)
print_stats()
""",
        environ=QUIET,
    )
    assert finished.stderr == finished.debug == ""
    assert processor.series("loss") == [(i + 1, float(i)) for i in range(20)]
    check_law(finished.stats)


def test_a_clock_that_jumps_back(scripts: ScriptRunner, processor: Processor) -> None:
    as_without_us(
        scripts,
        f"""
import time
import wandb
run = wandb.init()
now = time.time
time.time = lambda: now() - 86400
{TRAIN.replace("run = wandb.init()", "")}
""",
    )
    assert arrived(processor)


def test_logging_while_the_interpreter_shuts_down(scripts: ScriptRunner, processor: Processor) -> None:
    """What wandb itself says then, on standard error, is not the same each time."""
    source = """
        import atexit
        import sys
        import wandb

        def attempt(name):
            try:
                run.log({name: 1})
            except Exception:  # wandb's, and not each time
                pass
            return "tried"

        class Late:
            def __init__(self, name):
                self.name = name

            def __del__(self, attempt=attempt, write=sys.stdout.write, flush=sys.stdout.flush):
                write(f"{self.name} {attempt(self.name)}\\n")
                flush()

        atexit.register(lambda: print("after us", attempt("after us")))
        run = wandb.init()
        atexit.register(lambda: print("before us", attempt("before us")))

        sys.kept = Late("kept by a module of the interpreter's")

        print("end")
    """
    without = scripts.run(source, hooked=False, environ=QUIET)
    finished = scripts.run(source, environ=QUIET)
    # Whether the last line, of a finaliser in the interpreter's last moments, comes is a matter of luck.
    expected = ["end", "before us tried", "after us tried"]
    assert finished.stdout.splitlines()[:3] == without.stdout.splitlines()[:3] == expected
    assert processor.series("before us") == [(0, 1.0)]


def test_a_daemon_thread_that_logs_on_while_the_interpreter_shuts_down(
    scripts: ScriptRunner, processor: Processor
) -> None:
    as_without_us(
        scripts,
        """
        import threading
        import wandb

        run = wandb.init()
        logged = threading.Event()

        def log_on():
            while True:
                try:
                    run.log({"thread": 1})
                except Exception:  # wandb's own, which is gone before this thread
                    pass
                logged.set()

        threading.Thread(target=log_on, daemon=True).start()
        logged.wait()
        """,
    )
    assert processor.series("thread")


# What others may have replaced in the modules we use, after wandb was imported. For wandb itself it
# is as ever, lest it is wandb that fails.
PATCH_OTHERS = """
import sys
def break_for_us(module, name, broken):
    genuine = getattr(module, name)
    def replacement(*args, **kwargs):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        return (broken if caller.startswith("primus_lens") else genuine)(*args, **kwargs)
    setattr(module, name, replacement)
def fail(*args, **kwargs):
    raise RuntimeError("broken by others")
"""


@pytest.mark.parametrize("broken", ["fail", "lambda *args, **kwargs: 'garbage'"])
def test_a_json_module_that_others_have_broken(
    scripts: ScriptRunner, processor: Processor, broken: str
) -> None:
    as_without_us(
        scripts,
        f"""
import sys
sys.modules["orjson"] = None
import wandb
{PATCH_OTHERS}
import json
break_for_us(json, "dumps", {broken})
{TRAIN}
""",
    )
    assert arrived(processor)


def test_an_http_client_that_others_have_wrapped(scripts: ScriptRunner, processor: Processor) -> None:
    """By something that traces requests, say, and with a default timeout that is no use."""
    as_without_us(
        scripts,
        f"""
import functools
import http.client
import socket
import wandb

def wrap(owner, name):
    genuine = getattr(owner, name)
    @functools.wraps(genuine)
    def wrapper(self, *args, **kwargs):
        return genuine(self, *args, **kwargs)
    setattr(owner, name, wrapper)

for name in ("__init__", "connect", "request", "putrequest", "putheader", "send", "getresponse"):
    wrap(http.client.HTTPConnection, name)
run = wandb.init()
socket.setdefaulttimeout(0.000001)
{TRAIN.replace("run = wandb.init()", "")}
""",
    )
    assert arrived(processor)


@pytest.mark.parametrize(
    "place",
    ["http.client.HTTPConnection.request", "socket.create_connection", "socket.getaddrinfo"],
)
def test_a_network_that_others_have_forbidden(
    scripts: ScriptRunner, processor: Processor, place: str
) -> None:
    owner, _, name = place.rpartition(".")
    finished = scripts.run(
        f"""
import http.client, socket, threading, wandb
genuine = {place}
def fail_in_our_thread(*args, **kwargs):
    if threading.current_thread().name.startswith("primus"):
        raise RuntimeError("no network in tests")
    return genuine(*args, **kwargs)
{owner}.{name} = fail_in_our_thread
{TRAIN}
print_stats()
""",
        environ=QUIET,
    )
    assert finished.stderr == ""
    assert finished.debug.count("data is being lost") == finished.debug.count("\n")
    stats = finished.stats
    check_law(stats)
    assert stats["accepted"]["metrics"] == 20
    assert "no network in tests" in stats["last_error"]
    assert not processor.received


def test_our_own_traffic_is_not_traced(scripts: ScriptRunner, processor: Processor) -> None:
    for library in ("requests", "urllib3"):
        pytest.importorskip(f"opentelemetry.instrumentation.{library}")
    pytest.importorskip("opentelemetry.sdk")
    finished = scripts.run(
        f"""
import os
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
RequestsInstrumentor().instrument(tracer_provider=provider)
URLLib3Instrumentor().instrument(tracer_provider=provider)
{TRAIN}
import requests
requests.get(os.environ["PRIMUS_LENS_API_BASE_URL"])
base = os.environ["PRIMUS_LENS_API_BASE_URL"]  # old releases of wandb ask their server on the way
traced = [span.attributes for span in spans.get_finished_spans()]
print([span["http.method"] for span in traced if span["http.url"].startswith(base)])
"""
    )
    assert finished.stdout == "['GET']\n"
    assert arrived(processor)
    assert not any(name.lower() == "traceparent" for body in processor.received for name in body.headers)


PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}


@pytest.mark.parametrize("library", PATCHES)
def test_a_program_of_green_threads(scripts: ScriptRunner, processor: Processor, library: str) -> None:
    pytest.importorskip(library)
    as_without_us(scripts, f"{PATCHES[library]}\n{TRAIN}")
    assert arrived(processor)


def test_a_dictionary_that_another_thread_changes_meanwhile() -> None:
    data = {"deep": {f"d{i}": i for i in range(50)}, **{f"m{i}": i for i in range(50)}}
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            for i in range(50, 500):
                data[f"m{i}"] = data["deep"][f"d{i}"] = i
            for i in range(50, 500):
                del data[f"m{i}"], data["deep"][f"d{i}"]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(500):
            plain_numbers(data)
            captured = capture(data)
            assert all(
                captured.metrics[f"m{i}"] == i == captured.metrics[f"deep.d{i}"] for i in range(50)
            )
    finally:
        done.set()
        thread.join()
        sys.setswitchinterval(interval)


BOUNDS = """
import json, os, sys, time
from benchmarks import stand_in

if os.environ["HOOK"] == "true":
    stand_in.install()
run = stand_in.Run()
ten = {f"metric-{i}": i / 7 for i in range(10)}
longest, before = 0.0, time.perf_counter()
for _ in range(10**6):
    run.log(dict(ten))
    now = time.perf_counter()
    longest, before = max(longest, now - before), now
many = {f"metric-{i}": i / 7 for i in range(100_000)}
before = time.perf_counter()
run.log(many)
longest = max(longest, time.perf_counter() - before)
if os.environ["HOOK"] == "true":
    from primus_lens_wandb_exporter.exporter import get_exporter
    exporter = get_exporter()
    while not exporter.lanes["metrics"].route.failures:  # it has been packed
        exporter.flush(0.1)
        time.sleep(0.01)
    print_stats()
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
print(json.dumps([peak / 1024, longest]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
def test_a_million_calls_and_a_huge_one_with_nobody_there_take_little_memory_and_no_time(
    scripts: ScriptRunner,
) -> None:
    def measure(hook: str) -> tuple[float, float, Finished]:
        dead = {"PRIMUS_LENS_API_BASE_URL": "http://127.0.0.1:1/api/v1", "HOOK": hook}
        finished = scripts.run(BOUNDS, environ={**QUIET, **dead}, **DIRECTLY)
        peak, longest = json.loads(finished.stdout.splitlines()[-1])
        return peak, longest, finished

    peak_without, _, _ = measure("false")
    peak, longest, finished = measure("true")
    assert peak - peak_without <= 32  # MiB
    assert longest < 2  # seconds; a request takes ten until it is given up
    stats = finished.stats
    check_law(stats)
    assert stats["accepted"]["metrics"] == 10**7 + 100_000


@pytest.mark.parametrize(
    "psutil", ["", "class Process:\n    def __init__(self):\n        raise OSError\n"]
)
def test_without_a_psutil_that_works_the_rest_arrives(
    scripts: ScriptRunner, processor: Processor, psutil: str
) -> None:
    source = f"import sys\nsys.modules['psutil'] = None\n{DIRECT}log()\n"
    if psutil:
        (scripts.folder / "psutil.py").write_text(psutil)
        source = f"import psutil\n{DIRECT}log()\n"
    environ = {**QUIET, "PRIMUS_LENS_WANDB_ENHANCE_METRICS": "true"}
    finished = scripts.run(source, environ=environ, **DIRECTLY)
    assert finished.stderr == finished.debug == ""
    assert arrived(processor)
    assert len(processor.points) == 20


@pytest.mark.parametrize("library", PATCHES)
def test_a_program_that_turns_to_green_threads_after_it_imported_wandb(
    scripts: ScriptRunner, processor: Processor, library: str
) -> None:
    pytest.importorskip(library)
    # gevent's warning lists modules in the order of a set.
    environ = {**QUIET, "PYTHONWARNINGS": "ignore"}
    as_without_us(scripts, f"import wandb\n{PATCHES[library]}\n{TRAIN}", environ)
    assert arrived(processor)
