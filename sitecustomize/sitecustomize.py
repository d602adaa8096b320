"""Arm the exporter in any Python that finds this folder on PYTHONPATH, and run what stands behind it.

It is `sitecustomize`, and `usercustomize` for where a `sitecustomize` in front of it runs no other. Runs
in every such interpreter, of any version: the grammar is Python 2's, and nothing of ours may print or
raise.
"""

_REFERENCES = ("$(PYTHONPATH)", "$(PRIMUS_LENS_WANDB_PYTHONPATH)")


def _forget_reference():
    """Take away what Kubernetes leaves of a reference to a variable that is not there.

    An injected pod may have `/primus-lens:$(PYTHONPATH)`, which a launcher that hands it on by a shell
    would have run as a command. An empty entry stays: who sets `$PYTHONPATH:$LIB` without a LIB has the
    working directory by it, and his imports from there.
    """
    import os
    import sys

    path = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    kept = [entry for entry in path if entry not in _REFERENCES]
    if kept != path:
        os.environ["PYTHONPATH"] = os.pathsep.join(kept)
        sys.path[:] = [entry for entry in sys.path if os.path.basename(entry) not in _REFERENCES]


try:
    _forget_reference()
except Exception:
    pass

try:
    import _primus_lens_wandb_exporter

    _primus_lens_wandb_exporter.start()
except Exception:
    pass


def _run_shadowed(name):
    """Import the module of this name that this one stands in front of, as if we were not there.

    By an ordinary import with our folder off the path, which every Python has: what is handier is
    private to the import system, or milliseconds away in `importlib.util`.
    """
    import os
    import sys

    here = os.path.dirname(__file__)
    ours = [item for item in enumerate(sys.path) if item[1] in (here, here + os.sep)]
    if not ours:  # spelled in another way: finding that out takes a tenth of a millisecond
        here = os.path.realpath(here)
        ours = [item for item in enumerate(sys.path) if os.path.realpath(item[1] or ".") == here]
    if not ours:
        return
    this = sys.modules.pop(name, None)
    for index, _ in reversed(ours):
        del sys.path[index]
    try:
        __import__(name)
    except ImportError as error:
        if getattr(error, "name", str(error).split(" ")[-1]) != name:  # Python 2 has but the message
            raise
        if this is not None:
            sys.modules[name] = this
    finally:
        for index, entry in ours:
            sys.path.insert(index, entry)


_run_shadowed(__name__)
