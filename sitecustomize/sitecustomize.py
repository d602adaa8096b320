"""Arm the exporter in any Python that finds this folder on PYTHONPATH, and run the next `sitecustomize`.

Runs in every such interpreter, of any version: the grammar is Python 2's, and nothing of ours may
print or raise.
"""

try:
    import _primus_lens_wandb_exporter

    _primus_lens_wandb_exporter.start()
except Exception:
    pass


def _run_shadowed():
    """Execute the `sitecustomize` that this one stands in front of, as if we were not there."""
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
    module = sys.modules["sitecustomize"] = module_from_spec(spec)
    spec.loader.exec_module(module)


_run_shadowed()
