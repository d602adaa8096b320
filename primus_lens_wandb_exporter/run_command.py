"""`primus-lens-wandb run`: one command under the hook, by the folder that arms it on PYTHONPATH."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ENTRY_FILES = ("_primus_lens_wandb_exporter.py", "usercustomize.py", "sitecustomize.py")


def hook_folder() -> Path:
    """Return the folder that arms the hook when it stands on PYTHONPATH.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    installed, checkout = package / "sitecustomize", package.parent / "sitecustomize"
    for folder in (installed, checkout, package.parent):  # the last is an injected folder
        if all((folder / name).is_file() for name in ENTRY_FILES):
            return folder
    raise FileNotFoundError(f"{package}: sitecustomize is missing; install the package again")


def hooked_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with the hook's folder in front of PYTHONPATH, keeping what is there."""
    path = [str(hook_folder()), *filter(None, [environ.get("PYTHONPATH")])]
    return {**environ, "PYTHONPATH": os.pathsep.join(path)}


def run(command: list[str]) -> int:
    """Become a command; return a shell's exit status only if that fails."""
    environ = hooked_environ(os.environ)
    try:
        os.execvpe(command[0], command, environ)
    except FileNotFoundError:
        print(f"primus-lens-wandb: {command[0]}: command not found", file=sys.stderr)
        return 127
    except OSError as error:
        print(f"primus-lens-wandb: {command[0]}: {error.strerror}", file=sys.stderr)
        return 126
