"""Complete a root file system by the Python that runs this: no shell, package manager or setuid file.

    python lay_out.py FOLDER

FOLDER has what pip installed by `--root FOLDER`. It gets this interpreter, its standard library, the
shared libraries that these and the installed packages name (as `ldd` finds them, glibc's or musl's),
and bytecode.
"""

from __future__ import annotations

import compileall
import fnmatch
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

USER = 65532
# For development, or for terminals and screens; site-packages is pip's, and pip stays outside.
UNNEEDED = (
    *("__pycache__", "config-*", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages"),
    *("test", "tests", "tkinter", "turtledemo", "venv", "curses", "turtle.py"),
    *(
        "_tkinter.*",
        "_curses*.so",
        "readline.*",
        "_gdbm.*",
        "_dbm.*",
        "_test*.so",
        "_ctypes_test.*",
        "xx*.so",
    ),
)
# pthread_exit loads it by name, wherever a daemon thread outlives the interpreter.
LOADED_BY_NAME = ("libgcc_s.so.1",)
# Where the loader looks, how names are resolved (both glibc's), and whose certificates count.
CONFIGURATION = ("etc/ld.so.cache", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt")


def lay_out(root: Path) -> None:
    """Complete the root file system.

    Raises:
        FileNotFoundError: a shared library is missing here.
    """
    _copy_python(root)
    for library in _libraries(root):
        if not (root / library.relative_to("/")).exists():
            _copy(library, root)
    for name in CONFIGURATION:
        if Path("/", name).exists():
            _copy(Path("/", name), root)
    (root / "etc/passwd").write_text(f"primus-lens:x:{USER}:{USER}::/nonexistent:/nonexistent\n")
    (root / "etc/group").write_text(f"primus-lens:x:{USER}:\n")
    _compile(root)


def _copy_python(root: Path) -> None:
    interpreter = Path(os.path.realpath(sys.executable))
    _copy(interpreter, root)
    for name in ("python3", "python"):
        (root / interpreter.relative_to("/").with_name(name)).symlink_to(interpreter.name)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(
        library,
        root / library.relative_to("/"),
        ignore=lambda _, names: [n for n in names if any(fnmatch.fnmatch(n, p) for p in UNNEEDED)],
        dirs_exist_ok=True,
    )


def _libraries(root: Path) -> set[Path]:
    """Return the shared libraries that the files below the folder name, and those that these name."""
    found: set[Path] = set()
    for file in _elf_files(root):
        answer = subprocess.run(["ldd", str(file)], capture_output=True, text=True)
        for line in (answer.stdout + answer.stderr).splitlines():
            if "=> not found" in line or "Error loading shared library" in line:
                raise FileNotFoundError(f"{file}: {line.strip()}")
        found.update(map(Path, re.findall(r"(/\S+) \(0x", answer.stdout)))
    for name in LOADED_BY_NAME:
        found.update(
            path for folder in {path.parent for path in found} if (path := folder / name).exists()
        )
    return {path for path in found if root not in path.parents}


def _elf_files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_symlink():
                continue
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def _copy(path: Path, root: Path) -> None:
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def _compile(root: Path) -> None:
    """Compile without times: what is built twice is the same."""
    compiled = compileall.compile_dir(
        root,
        quiet=1,
        maxlevels=99,
        stripdir=str(root),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"{root}: not all could be compiled")


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
