"""Arm the hook in this interpreter.

Every Python process of an image runs this module, so it imports nothing beyond `os` and `sys`,
which the interpreter has loaded anyway, and keeps to a grammar that Python 3.6 can read: an
older interpreter must leave by the version check, not by a syntax error.
"""

import os
import sys

HOOK_SWITCH = "PRIMUS_LENS_WANDB_HOOK"
OLDEST_PYTHON = (3, 9)

_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


def parse_switch(text):
    # type: (str) -> bool
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


def hook_enabled(environ):
    # type: (object) -> bool
    """Return whether the hook is switched on; it is unless the switch clearly says no."""
    try:
        return parse_switch(environ.get(HOOK_SWITCH) or "true")  # type: ignore[attr-defined]
    except ValueError:
        return True


def start():
    # type: () -> None
    """Arm the hook for `wandb`, once; a second call (a `.pth` line can run twice) changes nothing.

    Never raises and never prints: whoever starts Python did not ask for us.
    """
    if sys.version_info < OLDEST_PYTHON or not hook_enabled(os.environ):
        return
    try:
        from primus_lens_wandb_exporter import import_hook

        import_hook.after_import("wandb", _on_wandb)
    except Exception:  # the package may be broken in ways we cannot foresee, and nobody listens yet
        pass


def _on_wandb(module):
    # type: (object) -> None
    from primus_lens_wandb_exporter import wandb_hook

    wandb_hook.install(module)


def uninstall():
    # type: () -> None
    """Take the hook out again: disarm the finder and put wandb's own functions back."""
    import_hook = sys.modules.get("primus_lens_wandb_exporter.import_hook")
    if import_hook is not None:
        import_hook.remove("wandb")
    wandb_hook = sys.modules.get("primus_lens_wandb_exporter.wandb_hook")
    if wandb_hook is not None:
        wandb_hook.uninstall()
