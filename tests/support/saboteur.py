"""Break our functions, whatever they are, and see what becomes of the program around them.

For scripts: a copy lies beside them. Nothing of the package is imported here.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import CodeType, FunctionType
from typing import NoReturn

PACKAGE = "primus_lens_wandb_exporter"
HOOKED = os.environ["PRIMUS_LENS_WANDB_HOOK"] == "true"

# There is nobody to catch what these raise: they stand between the interpreter, or wandb's caller,
# and everything else, and are that boundary themselves.
OUTERMOST = (
    ":Trigger.find_spec",
    "delivery.connection:_Inflow.close",
    "delivery.worker:Worker._run",
    "exporter:Exporter._stop",
    "exporter:Exporter.renew_in_child",
    "exporter:Exporter.shutdown",
    "guard:_Boundary.__enter__",
    "guard:_Boundary.__exit__",
    "patience:_Errand.run",
    "import_hook:PostImportFinder.find_spec",
    "import_hook:PostImportFinder.report",
    "sigterm:SigtermWatch._listen",
)

_AT_ONCE = 2  # children


def functions() -> dict[str, FunctionType]:
    """Return each function and method of ours that is loaded, by `module:qualified.name`."""
    found: dict[str, FunctionType] = {}
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] in (PACKAGE, f"_{PACKAGE}"):
            for function in _functions_in(vars(module).values(), str(module.__file__)):
                found[f"{name.removeprefix('_')[len(PACKAGE) + 1 :]}:{function.__qualname__}"] = function
    return {site: found[site] for site in sorted(found) if site not in OUTERMOST}


def _functions_in(values: object, file: str) -> Iterator[FunctionType]:
    for value in list(values):  # type: ignore[call-overload]
        for part in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            if isinstance(part, FunctionType) and part.__code__.co_filename == file:
                yield part
        if isinstance(value, type) and PACKAGE in value.__module__:
            yield from _functions_in(vars(value).values(), file)


def load() -> None:
    """Import what the hook will import when it finds wandb, so that it can be broken before."""
    if HOOKED:
        for name in ("bootstrap", "import_hook", "wandb_hook"):
            importlib.import_module(f"{PACKAGE}.{name}")


def called_by(use: Callable[[], object]) -> list[str]:
    """Return which of our functions something calls in this thread."""
    codes = set()
    sys.setprofile(lambda frame, event, argument: codes.add(frame.f_code))
    use()
    sys.setprofile(None)
    return [site for site, function in functions().items() if function.__code__ in codes]


@contextlib.contextmanager
def broken(site: str) -> Iterator[None]:
    """Make a function raise, by whatever name it is called; without us, do nothing."""
    if not HOOKED:
        yield
        return
    function = functions()[site]
    genuine = function.__code__
    function.__code__ = _failing_code(genuine, site)
    yield
    function.__code__ = genuine


def _failing_code(code: CodeType, site: str) -> CodeType:
    free = code.co_freevars  # a function takes no code with another number of these
    lines = [
        "def make():",
        *(f"    {name} = None" for name in free),
        "    def fail(*args, **kwargs):",
        *(f"        {name}" for name in free),
        f"        __import__('saboteur').fail({site!r})",
        "        yield"
        if code.co_flags & 0x20
        else "",  # a generator raises when it is asked for a value
        "    return fail",
    ]
    namespace: dict[str, FunctionType] = {}
    exec("\n".join(lines), namespace)
    return namespace["make"]().__code__


def fail(site: str) -> NoReturn:
    """Note in a file that a broken function was called, and raise."""
    with open("hits.txt", "a") as hits:
        hits.write(f"{site}\n")
    raise RuntimeError("sabotage")


def go_on_in_children() -> None:
    """Let a child for each function go on after this call with that function broken, to its own end.

    The parent prints how they ended, by site, and ends. Without us there is one child.
    """
    waiting: list[str] = list(functions()) if HOOKED else [""]
    running: dict[int, tuple[str, str]] = {}
    ends: dict[str, Sequence[object]] = {}
    while waiting or running:
        while waiting and len(running) < _AT_ONCE:
            site, name = waiting.pop(), f"child-{len(waiting)}"
            pid = os.fork()
            if not pid:
                for descriptor in (1, 2):
                    os.dup2(os.open(f"{name}.{descriptor}", os.O_WRONLY | os.O_CREAT), descriptor)
                broken(site).__enter__()
                return
            running[pid] = site, name
        pid, status = os.wait()
        if pid in running:
            site, name = running.pop(pid)
            outputs = []
            for descriptor in (1, 2):
                with open(f"{name}.{descriptor}") as file:
                    outputs.append(file.read())
            ends[site] = [status, *outputs]
    print(json.dumps(ends), flush=True)
    os._exit(0)
