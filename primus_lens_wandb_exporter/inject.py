"""`primus-lens-wandb inject`: fill a folder that arms the hook in every Python that has it on its path.

That may be another Python, with the folder mounted read-only: so bytecode goes with the sources, valid
whatever their time stamps are (PEP 552). Nothing is written but below the folder: first aside, then
moved into its place, what arms the hook last.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from . import __version__
from .injected_files import CACHE, PACKAGE, SUMS, bytecode_tags, collect, is_same, sums
from .run_command import ENTRY_FILES
from .scratch_folder import scratch_folder

_VERSION = re.compile(rb'^__version__ = "(.*)"$', re.MULTILINE)


class CannotInject(Exception):
    """The folder is not one that may be filled."""


def perform(folder: str, *, best_effort: bool) -> int:
    """Fill a folder and say so in one line; return the exit status.

    Args:
        folder: made if it is not there; what is above it must be.
        best_effort: return 0 whatever happens, for an init container must not keep a pod from starting.
    """
    try:
        if not folder:  # a variable that is not set, and Path("") is the working directory
            raise CannotInject("no folder is named")
        tags = inject(Path(folder))
    except (CannotInject, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    except Exception as error:
        if not best_effort:
            raise
        reason = f"{type(error).__name__}: {error}"
    else:
        _say(f"{folder}: version {__version__}, bytecode for {' '.join(tags)}", sys.stdout)
        return 0
    _say(f"{folder or repr(folder)}: nothing was injected: {reason}", sys.stderr)
    return 0 if best_effort else 1


def inject(folder: Path) -> list[str]:
    """Fill a folder with what a training process needs; return the Pythons it has bytecode for.

    A folder that holds this version is brought in line with this installation; where it is already,
    nothing is written. One of another version stays as it is, for jobs may be running from it.

    Raises:
        CannotInject: the folder holds another version, an installation, or a `sitecustomize` not ours.
        OSError: it cannot be written.
    """
    folder = folder.absolute()
    files = collect()
    _make_folder(folder)
    if not _holds(folder, files):
        replacing = _holds_ours(folder)
        with scratch_folder(folder) as stage:
            _write(stage, files)
            if replacing:
                _clear(folder, stage)
            _arm(folder, stage, files)
    return bytecode_tags(files)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():
            raise CannotInject("it is not a folder") from None
    except FileNotFoundError:
        raise CannotInject(f"there is no folder {folder.parent}") from None
    else:
        folder.chmod(0o755)


def _holds(folder: Path, files: dict[str, bytes], *, whole: bool = True) -> bool:
    """Return whether files are there and as they should be; whole: and in agreement with their sums."""
    try:
        there = {name: (folder / name).read_bytes() for name in files}
    except OSError:
        return False
    alike = all(is_same(name, there[name], data) for name, data in files.items())
    return alike and (not whole or there[SUMS] == sums(there))


def _holds_ours(folder: Path) -> bool:
    """Return whether there is something of this version, whole or not, that may be replaced.

    Raises:
        CannotInject: there is something that may not be.
    """
    filled = (folder / SUMS).is_file()
    for entry in ENTRY_FILES:
        if os.path.lexists(folder / entry) and not _is_ours(folder / entry, filled):
            raise CannotInject(f"it has a {entry} that is not ours; choose a folder of its own")
    if not any(os.path.lexists(folder / name) for name in (PACKAGE, *ENTRY_FILES)):
        return False
    if not filled:
        raise CannotInject("we are installed there; choose a folder of its own")
    there = _VERSION.search(_read(folder / PACKAGE / "__init__.py"))
    if there and there[1] != __version__.encode():
        raise CannotInject(
            f"it has version {there[1].decode(errors='replace')}, which jobs may be using; "
            f"choose another folder for version {__version__}"
        )
    return True


def _is_ours(entry: Path, filled: bool) -> bool:
    data = _read(entry)
    return PACKAGE.encode() in data or (filled and not data)  # emptied when the machine lost its power


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(stage: Path, files: dict[str, bytes]) -> None:
    """Write files that every user can read, whatever the umask."""
    for parent in sorted({parent for name in files for parent in Path(name).parents} - {Path(".")}):
        (stage / parent).mkdir()
        (stage / parent).chmod(0o755)
    for name, data in files.items():
        path = stage / name
        path.write_bytes(data)
        path.chmod(0o644)


def _clear(folder: Path, stage: Path) -> None:
    """Take away what is there of ours, what arms first."""
    for entry in reversed(ENTRY_FILES):
        (folder / entry).unlink(missing_ok=True)
        for pyc in (folder / CACHE).glob(f"{Path(entry).stem}.*.pyc"):
            pyc.unlink(missing_ok=True)
    try:
        (folder / PACKAGE).rename(stage / "replaced")
    except FileNotFoundError:  # another run was faster
        pass


def _arm(folder: Path, stage: Path, files: dict[str, bytes]) -> None:
    """Move what was written into its place."""
    first = True
    try:
        (stage / PACKAGE).rename(folder / PACKAGE)
    except OSError:  # another run was faster: all is well if it is of the same mind
        ours = {name: data for name, data in files.items() if name.startswith(f"{PACKAGE}/")}
        if not _holds(folder, ours, whole=False):
            raise
        first = False
    _make_folder(folder / CACHE)
    beside = [name for name in files if name.startswith(f"{CACHE}/")]
    for name in (*beside, *ENTRY_FILES):
        if first or not (folder / name).exists():
            (stage / name).replace(folder / name)


def _say(text: str, stream: object) -> None:
    try:
        print(f"primus-lens-wandb: {text}", file=stream, flush=True)  # type: ignore[call-overload]
    except OSError:  # nobody reads
        pass
