"""Every way a process starts: what it logs arrives, and what it does not log costs nothing."""

from __future__ import annotations

import sys
import threading
from importlib.util import find_spec

import pytest
from werkzeug import Request

from .support.direct import DIRECT, FIVE
from .support.law import check_law
from .support.processor import Processor
from .support.scripts import Finished, ScriptRunner
from .support.twice import as_without_us

START_METHODS = ["fork", "spawn", "forkserver"]
TWENTY = [(i, float(i)) for i in range(20)]

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs torch")

# `log_and_tell(name)`, for children of multiprocessing: their statistics once all was delivered.
LOG_AND_TELL = """
import multiprocessing.util
telling = set()
def log_and_tell(name):
    log(name)
    if os.getpid() not in telling:
        telling.add(os.getpid())
        multiprocessing.util.Finalize(None, tell, exitpriority=-100)
def tell():
    print_stats()
"""


def check_accounts(finished: Finished, processor: Processor, processes: int) -> None:
    """Assert that each process that printed its statistics delivered all it took, and nothing twice."""
    assert len({stats["pid"] for stats in finished.all_stats}) == processes
    for stats in finished.all_stats:
        check_law(stats)
        assert stats["sent"] == stats["accepted"]
    assert sum(stats["metrics_sent"] for stats in finished.all_stats) == len(processor.points)


@pytest.mark.parametrize("method", START_METHODS)
def test_a_multiprocessing_child_delivers_its_own_run_and_never_the_parents(
    scripts: ScriptRunner, processor: Processor, method: str
) -> None:
    finished = scripts.run(
        f"""
        import multiprocessing
        import wandb

        def log(run, name):
            for i in range(20):
                run.log({{name: i}})
            print(name, run.id, flush=True)

        def work(name):
            log(wandb.init(name=name), name)

        if __name__ == "__main__":
            run = wandb.init(name="parent")
            log(run, "parent")
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=work, args=(f"child-{{i}}",)) for i in range(2)]
            for child in children:
                child.start()
            log(run, "parent goes on")
            for child in children:
                child.join()
                assert child.exitcode == 0
        """
    )
    ids = dict(line.rsplit(" ", 1) for line in finished.stdout.splitlines())
    assert ids.keys() == {"parent", "parent goes on", "child-0", "child-1"}
    assert len(set(ids.values())) == 3
    for name in ("parent", "child-0", "child-1"):
        assert processor.series(name, ids[name]) == TWENTY
    assert [value for _, value in processor.series("parent goes on", ids["parent"])] == list(range(20))
    assert len(processor.points) == 80
    announced = [body["evidence"]["wandb"]["id"] for body in processor.detections]
    assert sorted(announced) == sorted(set(ids.values()))


def test_a_forked_child_can_log_into_its_parents_run(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import multiprocessing
        import multiprocessing.util
        import wandb

        def work():
            for i in range(20):
                run.log({"child": i})
            multiprocessing.util.Finalize(None, tell, exitpriority=-100)

        def tell():
            print_stats()

        run = wandb.init()
        run.log({"parent": 0})
        child = multiprocessing.get_context("fork").Process(target=work)
        child.start()
        child.join()
        assert child.exitcode == 0
        run.log({"parent": 1})
        print(run.id)
        """
    )
    run_id = finished.stdout.split()[-1]
    assert [value for _, value in processor.series("parent", run_id)] == [0, 1]
    assert [value for _, value in processor.series("child", run_id)] == list(range(20))
    assert len(processor.points) == 22
    assert len(processor.detections) == 1
    check_law(finished.stats)
    assert finished.stats["sent"] == {"detection": 0, "metrics": 20, "logs": 0}


@pytest.mark.parametrize("method", START_METHODS)
@pytest.mark.parametrize("pool", ["multiprocessing.Pool", "ProcessPoolExecutor"])
def test_what_the_workers_of_a_pool_log_arrives(
    direct: ScriptRunner, processor: Processor, pool: str, method: str
) -> None:
    run_pool = {
        "multiprocessing.Pool": """
    pool = context.Pool(2)
    pool.map(log_and_tell, names, chunksize=1)
    pool.close()
    pool.join()
""",
        "ProcessPoolExecutor": """
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        list(pool.map(log_and_tell, names))
""",
    }[pool]
    names = [f"task {i}" for i in range(6)]
    finished = direct.run(
        DIRECT
        + LOG_AND_TELL
        + f"""
if __name__ == "__main__":
    names = {names}
    log("parent")
    context = multiprocessing.get_context("{method}")
{run_pool}
    exporter.shutdown()
    print_stats()
"""
    )
    for name in ("parent", *names):
        assert processor.series(name) == FIVE
    # One worker may have been fast enough to do everything.
    processes = len({stats["pid"] for stats in finished.all_stats})
    assert processes in (2, 3)
    check_accounts(finished, processor, processes)


def test_workers_of_a_pool_that_are_terminated_deliver_what_they_logged(
    direct: ScriptRunner, processor: Processor
) -> None:
    """Leaving the `with` block kills them with SIGTERM."""
    finished = direct.run(
        DIRECT
        + """
import multiprocessing
log("parent")
names = [f"task {number}" for number in range(6)]
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(log, names, chunksize=1)
exporter.shutdown()
print_stats()
"""
    )
    assert finished.stderr == ""
    for name in ("parent", *(f"task {number}" for number in range(6))):
        assert processor.series(name) == FIVE
    check_law(finished.stats)
    assert finished.stats["metrics_sent"] == 5


def test_workers_of_a_pool_that_are_terminated_in_the_middle_of_a_request_hurt_nobody(
    direct: ScriptRunner, processor: Processor
) -> None:
    parent_is_done, worker_is_sending = threading.Event(), threading.Event()

    def answer(request: Request) -> None:
        body = request.get_data()
        if b'"worker"' in body:
            worker_is_sending.set()
            assert parent_is_done.wait(60)
        elif b'"ready?"' in body:
            assert worker_is_sending.wait(60)
        elif b'"parent"' in body:
            parent_is_done.set()

    processor.answer = answer
    finished = direct.run(
        DIRECT
        + """
import multiprocessing
def work(number):
    log("worker")
    exporter.flush(0.05)
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(work, range(2), chunksize=1)
    log("ready?")
    assert exporter.flush(60)
log("parent")
exporter.shutdown()
print_stats()
""",
        environ={"PRIMUS_LENS_WANDB_SHUTDOWN_TIMEOUT": "0.5"},
    )
    assert finished.stderr == ""
    assert processor.series("parent") == FIVE
    check_law(finished.stats)
    assert finished.stats["metrics_sent"] == 10


def test_a_forked_child_leaves_the_parents_backlog_alone(
    direct: ScriptRunner, processor: Processor
) -> None:
    finished = direct.run(
        DIRECT
        + """
import threading
log("parent")
child = os.fork()
if not child:
    print(exporter.worker.thread, threading.active_count(), exporter.stats()["accepted"], flush=True)
    sys.exit()
os.waitpid(child, 0)
"""
    )
    assert finished.stdout == "None 1 {'detection': 0, 'metrics': 0, 'logs': 0}\n"
    assert processor.series("parent") == FIVE
    assert len(processor.points) == 5


def test_forked_children_and_grandchildren_that_log_deliver_their_own_points_once(
    direct: ScriptRunner, processor: Processor
) -> None:
    finished = direct.run(
        DIRECT
        + """
log("parent")
child = os.fork()
log("parent goes on" if child else "child")
grandchild = 0 if child else os.fork()
if not child and not grandchild:
    log("grandchild")
for pid in (child, grandchild):
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
exporter.shutdown()
print_stats()
"""
    )
    for name in ("parent", "parent goes on", "child", "grandchild"):
        assert processor.series(name) == FIVE
    check_accounts(finished, processor, processes=3)


def test_a_child_forked_elsewhere_writes_into_its_parents_folder(
    direct: ScriptRunner, processor: Processor
) -> None:
    """Even where the working directory is gone, so that nothing can be said to be below it."""
    finished = direct.run(
        DIRECT
        + """
os.mkdir("elsewhere")
os.chdir("elsewhere")
os.rmdir("../elsewhere")
child = os.fork()
log("parent" if child else "child")
if child:
    assert os.waitpid(child, 0)[1] == 0
exporter.shutdown()
print_stats()
""",
        environ={"PRIMUS_LENS_WANDB_OUTPUT_PATH": "out"},
        options=["-W", "ignore"],  # from Python 3.12 a fork warns of threads
    )
    assert finished.stderr == ""
    check_accounts(finished, processor, processes=2)
    lines = (
        (direct.folder / "out" / "node_0" / "rank_0" / "wandb_metrics.jsonl").read_text().splitlines()
    )
    assert sum('"child"' in line for line in lines) == sum('"parent"' in line for line in lines) == 5


def test_a_child_forked_while_a_request_is_under_way_does_not_hang(
    direct: ScriptRunner, processor: Processor
) -> None:
    child_is_done = threading.Event()

    def answer(request: Request) -> None:
        if b'"child"' in request.get_data():
            child_is_done.set()
        else:
            assert child_is_done.wait(60)

    processor.answer = answer
    direct.run(
        DIRECT
        + """
log("parent")
exporter.worker.flush(0.05)
child = os.fork()
if not child:
    log("child")
    exporter.flush(60)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    )
    assert processor.series("child") == FIVE
    assert processor.series("parent") == FIVE


def test_a_child_forked_while_a_lock_of_ours_is_held_does_not_hang(
    direct: ScriptRunner, processor: Processor
) -> None:
    """Each lock in turn, about a hundred times in all, while the worker is at work, too.

    The locks are all that can be reached from our modules and their objects.
    """
    finished = direct.run(
        DIRECT
        + """
import gc, signal, threading, types

LOCKS = (type(threading.Lock()), type(threading.RLock()))
CONTAINERS = (dict, list, tuple, set, types.MethodType)

def find_locks():
    modules = [vars(module) for name, module in list(sys.modules.items()) if name.startswith("primus_")]
    found, seen, todo = {}, set(), [("", module) for module in modules]
    while todo:
        path, thing = todo.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        home = type(thing).__module__
        if isinstance(thing, LOCKS):
            found[path] = thing
        elif isinstance(thing, CONTAINERS):
            todo.extend((path, inner) for inner in gc.get_referents(thing))
        elif home.startswith("primus_") or isinstance(thing, (threading.Event, threading.Condition)):
            names = {name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())}
            inside = {**getattr(thing, "__dict__", {}), **{n: getattr(thing, n, None) for n in names}}
            todo.extend((f"{path}.{name}", inner) for name, inner in inside.items())
    return found

def fork_and_log():
    child = os.fork()
    if not child:
        signal.alarm(20)
        log("child")
        exporter.skip("Image", 1)
        exporter.flush(60)
        os._exit(0 if exporter.stats()["metrics_sent"] == 5 else 1)
    assert os.waitpid(child, 0)[1] == 0

def fork_while_held(lock):
    def hold():
        ours = lock.acquire(timeout=0.05)  # what a bell is silent by is held all the time
        held.set()
        assert done.wait(60)
        if ours:
            lock.release()
    held, done = threading.Event(), threading.Event()
    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(60)
    try:
        fork_and_log()
    finally:
        done.set()
        holder.join()

log("parent", 1)
locks = find_locks()
tries = 0
while tries < 100:
    for lock in locks.values():
        log("parent", 1)
        exporter.worker.wake()
        fork_while_held(lock)
        tries += 1
print(tries, *{path.rpartition(".")[2] for path in locks})
exporter.shutdown()
print_stats()
""",
        environ={"PRIMUS_LENS_WANDB_BATCH_SIZE": "1"},
    )
    tries, *names = finished.stdout.splitlines()[0].split()
    assert {"_lock", "_skip_lock", "_starting", "_silent", "_hands"} <= set(names)
    assert len(processor.series("child")) == 5 * int(tries)
    check_law(finished.stats)
    assert finished.stats["metrics_sent"] == len(processor.series("parent"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks by the C library's name")
def test_a_child_that_was_forked_behind_pythons_back_delivers_its_own_points(
    direct: ScriptRunner, processor: Processor
) -> None:
    finished = direct.run(
        DIRECT
        + """
import ctypes
log("warm-up")
assert exporter.flush(60)
log("parent")
child = ctypes.PyDLL(None).fork()
if not child:
    log("child")
    exporter.flush(5)
    print_stats()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
exporter.shutdown()
print_stats()
"""
    )
    assert processor.series("child") == FIVE
    assert processor.series("parent") == FIVE
    check_accounts(finished, processor, processes=2)


def test_hundreds_of_loader_workers_that_collect_garbage_neither_hang_nor_get_a_thread(
    direct: ScriptRunner, processor: Processor
) -> None:
    """As a data loader does: eight workers for each of fifty epochs, and the parent logs meanwhile."""
    finished = direct.run(
        DIRECT
        + """
import gc, multiprocessing, signal, threading
def load():
    signal.alarm(20)
    gc.collect()
    assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
context = multiprocessing.get_context("fork")
for epoch in range(50):
    workers = [context.Process(target=load) for _ in range(8)]
    for worker in workers:
        log("parent", 1)
        exporter.worker.wake()
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
exporter.shutdown()
print_stats()
""",
        environ={"PRIMUS_LENS_WANDB_BATCH_SIZE": "1"},
        options=["-W", "error::ResourceWarning"],  # what they collect was the parent's, too
    )
    assert finished.stderr == ""
    assert len(processor.points) == 400
    check_accounts(finished, processor, processes=1)


@needs_torch
def test_workers_of_torchs_data_loader_neither_hang_nor_get_a_thread(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import gc, threading
        import torch
        import wandb

        class Squares(torch.utils.data.Dataset):
            def __len__(self):
                return 16
            def __getitem__(self, index):
                return torch.tensor(index**2)

        def prepare(worker):
            gc.collect()
            assert "primus-lens-wandb" not in [thread.name for thread in threading.enumerate()]

        run = wandb.init()
        loader = torch.utils.data.DataLoader(
            Squares(), batch_size=2, num_workers=8, worker_init_fn=prepare
        )
        for epoch in range(3):
            for batch in loader:
                run.log({"sum": batch.sum()})
        run.finish()
        print_stats()
        """
    )
    assert len(processor.series("sum")) == 24
    check_accounts(finished, processor, processes=1)


@needs_torch
def test_each_rank_of_a_torchrun_job_delivers_its_own_run(
    scripts: ScriptRunner, processor: Processor
) -> None:
    finished = scripts.run(
        """
        import torch
        import torch.distributed
        import wandb
        torch.distributed.init_process_group("gloo")
        rank = torch.distributed.get_rank()
        run = wandb.init(name=f"rank-{rank}", group="job")
        for i in range(20):
            value = torch.tensor(float(rank + i))
            torch.distributed.all_reduce(value)
            run.log({f"rank-{rank}": i, "sum": value})
        torch.distributed.destroy_process_group()
        run.finish()
        print_stats()
        """,
        options=["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"],
    )
    assert len(processor.detections) == len(processor.by_run()) == 2
    for rank in range(2):
        assert processor.series(f"rank-{rank}") == TWENTY
    for run_id in processor.by_run():
        assert [value for _, value in processor.series("sum", run_id)] == [2 * i + 1 for i in range(20)]
    check_accounts(finished, processor, processes=2)


def test_a_fork_server_with_wandb_preloaded_gets_no_thread(
    scripts: ScriptRunner, processor: Processor
) -> None:
    source = """
        import multiprocessing, os, threading
        import multiprocessing.forkserver

        def tell(queue):
            queue.put([thread.name for thread in threading.enumerate()])

        def log():
            import wandb
            with wandb.init() as run:
                for i in range(20):
                    run.log({"child": i})

        if __name__ == "__main__":
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(["wandb"])
            queue = context.SimpleQueue()
            for target, args in ((tell, (queue,)), (log, ())):
                child = context.Process(target=target, args=args)
                child.start()
                child.join()
                assert child.exitcode == 0
            print(queue.get())
            server = multiprocessing.forkserver._forkserver._forkserver_pid
            print(len(os.listdir(f"/proc/{server}/task")))
        """
    assert as_without_us(scripts, source).stdout.startswith("['MainThread']\n")
    assert processor.series("child") == TWENTY


def test_forking_warns_of_threads_only_where_it_does_without_us(scripts: ScriptRunner) -> None:
    """From Python 3.12 a fork of a process with several threads does; wandb has its own from `init`."""
    finished = as_without_us(
        scripts,
        """
        import multiprocessing, os, sys, warnings
        import wandb

        def fork():
            with warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                child = os.fork()
                if not child:
                    os._exit(0)
                os.waitpid(child, 0)
                child = multiprocessing.get_context("fork").Process(target=int)
                child.start()
                child.join()
            print(child.exitcode, len(seen))

        fork()
        run = wandb.init()
        fork()
        run.log({"a": 1})
        fork()
        """,
    )
    assert finished.stdout.count("\n") == 3


def test_a_child_whose_renewal_fails_neither_prints_nor_loses_in_silence(
    direct: ScriptRunner, processor: Processor
) -> None:
    finished = direct.run(
        DIRECT
        + """
import primus_lens_wandb_exporter.exporter as module
log("parent")
original, pid = module.HttpSink, os.getpid()
def broken(settings):
    if os.getpid() != pid and not broken.done:
        broken.done = True
        raise MemoryError("once")
    return original(settings)
broken.done = False
module.HttpSink = broken
child = os.fork()
if not child:
    log("child")
    exporter.shutdown()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
""",
        environ={"PRIMUS_LENS_WANDB_DEBUG": "false"},  # where it is on, an internal error fails `run`
        options=["-W", "ignore"],
    )
    assert finished.stderr == ""
    assert processor.series("parent") == FIVE
    assert processor.series("child") == FIVE
