"""Arm the hook in this interpreter, and take it out again.

A Python that starts runs none of this, but the entry file beside the package (in the repository:
`sitecustomize/_primus_lens_wandb_exporter.py`), which comes here when `wandb` is looked for.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from .import_hook import PostImportFinder

HOOK_SWITCH = "PRIMUS_LENS_WANDB_HOOK"

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


def parse_switch(text: str) -> bool:
    """Return the truth value of an environment switch.

    Raises:
        ValueError: the text is none of true/1/yes/on and false/0/no/off (in any case).
    """
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("expected true or false")


def hook_enabled(environ: Mapping[str, str]) -> bool:
    """Return whether the hook is switched on; it is unless the switch clearly says no."""
    try:
        return parse_switch(environ.get(HOOK_SWITCH) or "true")
    except ValueError:
        return True


def make_finder() -> PostImportFinder:
    """Return the finder that hooks `wandb`, for the entry file's trigger to call."""
    from .import_hook import PostImportFinder

    return PostImportFinder("wandb", _on_wandb)


def start() -> None:
    """Arm the hook by hand, in a notebook for instance, where wandb may be imported already.

    A second call changes nothing, nor does one where the entry file has armed it. Never raises.
    """
    if not hook_enabled(os.environ):
        return
    try:
        from . import import_hook

        import_hook.after_import("wandb", _on_wandb)
    except Exception:  # the package may be broken in ways we cannot foresee, and nobody listens yet
        pass


def uninstall() -> None:
    """Take the hook out again: disarm the finder and put wandb's own functions back."""
    from . import import_hook

    import_hook.remove("wandb")
    wandb_hook = sys.modules.get("primus_lens_wandb_exporter.wandb_hook")
    if wandb_hook is not None:
        wandb_hook.uninstall()


def _on_wandb(module: ModuleType) -> None:
    from . import wandb_hook

    wandb_hook.install(module)
