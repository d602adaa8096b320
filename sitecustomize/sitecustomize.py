"""Arm the exporter in any Python that finds this folder on PYTHONPATH.

Runs in every such interpreter, of any version: the grammar is Python 2's, and nothing here may
print or raise. It then runs the `sitecustomize` that it stands in front of.
"""


def _arm():
    import os
    import sys

    here = os.path.dirname(os.path.abspath(__file__))
    # The package is beside this file (an injected folder) or around it (an installed one). The
    # folder is on the path for this import alone: nothing else in it is to be found by anyone.
    for folder in (here, os.path.dirname(here), os.path.dirname(os.path.dirname(here))):
        if os.path.isfile(os.path.join(folder, "primus_lens_wandb_exporter", "bootstrap.py")):
            break
    else:
        return
    sys.path.insert(0, folder)
    try:
        from primus_lens_wandb_exporter.bootstrap import start
    finally:
        sys.path.remove(folder)
    start()


def _run_shadowed():
    """Execute the next `sitecustomize` on the path, under its own name, as if we were not there."""
    import os
    import sys

    if sys.version_info < (3, 5):
        return
    # What importlib.util would hand out, without the milliseconds that importing it takes.
    from _frozen_importlib import module_from_spec
    from _frozen_importlib_external import PathFinder

    here = os.path.realpath(os.path.dirname(__file__))
    rest = [entry for entry in sys.path if os.path.realpath(entry or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is None or spec.loader is None:
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


try:
    _arm()
except Exception:
    pass
_run_shadowed()
