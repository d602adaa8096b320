"""What the `.pth` and `.start` files and `sitecustomize` run in every interpreter of an image.

It leaves a trigger on the meta path and loads nothing else of ours: the package is looked for when
somebody looks for `wandb`. It stands beside the package, so that nothing broken in there can be
noticed by a Python that starts, and keeps to a grammar that Python 2 can read.
"""

import os
import sys

_PACKAGE = "primus_lens_wandb_exporter"
_SWITCH = "PRIMUS_LENS_WANDB_HOOK"


class Trigger(object):
    """A meta path finder that hands a search for `wandb` to the package's, and finds nothing itself."""

    name = "wandb"
    finder = None  # the package's, once it has been needed
    broken = False

    def find_spec(self, name, path=None, target=None, *unknown, **options):
        if name == _PACKAGE:  # for `python -m` and the public API, where it is not on the path itself
            try:
                return _find_package()
            except Exception:
                return None
        if name != self.name or self.broken:
            return None
        if self.finder is None:
            try:
                _load_package()
                from primus_lens_wandb_exporter.bootstrap import make_finder

                # In one step: another thread may be doing the same.
                self.__dict__.setdefault("finder", make_finder())
            except Exception:
                self.broken = True
                return None
        return self.finder.find_spec(name, path, target)


def start():
    """Arm the trigger, once; on a Python older than supported, or when switched off, do nothing."""
    try:
        if sys.version_info < (3, 9) or _is_armed():
            return
        if os.environ.get(_SWITCH):  # what it says is for the package's one parser to judge
            _load_package()
            from primus_lens_wandb_exporter.bootstrap import hook_enabled

            if not hook_enabled(os.environ):
                return
        sys.meta_path.insert(0, Trigger())
    except Exception:
        pass


def _is_armed():
    return any(type(finder).__module__ == __name__ for finder in sys.meta_path)


def _find_package():
    """Return the spec of the package that this file belongs to, or None if it is to be had elsewhere.

    It is beside this file (installed, or injected as a folder), or around it (as `sitecustomize` of
    an installation or a checkout). In an editable install it is on the path.
    """
    # What importlib.machinery would hand out, without the milliseconds that importing it may take.
    try:
        from _frozen_importlib_external import PathFinder
    except ImportError:
        from importlib.machinery import PathFinder

    here = os.path.dirname(os.path.abspath(__file__))
    above = os.path.dirname(here)
    spec = PathFinder.find_spec(_PACKAGE, [here, above, os.path.dirname(above)])
    return spec if spec is not None and spec.origin is not None else None


def _load_package():
    """Import the package that this file belongs to, leaving `sys.path` alone."""
    if _PACKAGE in sys.modules:
        return
    spec = _find_package()
    if spec is None:
        return
    try:
        from _frozen_importlib import module_from_spec
    except ImportError:
        from importlib.util import module_from_spec

    module = sys.modules[_PACKAGE] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[_PACKAGE]
        raise
