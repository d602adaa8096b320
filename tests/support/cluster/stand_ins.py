"""Stand-ins for `python:3.X-slim`: where images are built in a test there is no registry.

A stand-in has what such an image has, as far as a build uses it: a Python below /usr/local, a shell,
`ldd` and the shared libraries, all of this machine; one of them pip and a folder of wheels, too.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

SUPPORTED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
WHEELS = "/opt/wheels"
_UNUSED = (
    "__pycache__",
    "config-*",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "test",
)
_TK = ("tkinter", "turtledemo", "_tkinter*")
# What compiling takes; only modules that are packages are listed.
_COMPILING = tuple(
    "collections concurrent encodings importlib json lib-dynload logging pathlib re urllib".split()
)


@functools.lru_cache(None)
def find_python(version: str) -> Path | None:
    """Return the prefix of an installed Python of a minor version; Debian's has another layout."""
    on_path = filter(None, [shutil.which(f"python{version}")])
    for candidate in [
        *on_path,
        *sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")),
    ]:
        code = "import sys; print(sys.base_prefix)"
        answer = subprocess.run([candidate, "-c", code], capture_output=True, text=True, cwd="/")
        prefix = Path(answer.stdout.strip() or "/usr")
        if prefix != Path("/usr") and (prefix / f"lib/python{version}/os.py").exists():
            return prefix
    return None


def make_stand_in(version: str, root: Path, *, wheels: Path | None = None) -> None:
    """Lay out a stand-in in a new folder; one without wheels can do no more than compile."""
    prefix = find_python(version)
    assert prefix is not None
    local = root / "usr/local"
    library = Path(f"lib/python{version}")
    shutil.copytree(
        prefix / library, local / library, ignore=_left_out(prefix / library, all=bool(wheels))
    )
    for shared in prefix.glob(f"lib/libpython{version}*.so.1.0"):
        shutil.copy(shared, local / "lib")
    (local / "bin").mkdir()
    shutil.copy(prefix / f"bin/python{version}", local / "bin")
    (local / "bin/python").symlink_to(f"python{version}")
    if wheels:
        shutil.copytree(wheels, root / WHEELS[1:])
        for pip in (prefix / library).glob("site-packages/pip*"):
            shutil.copytree(pip, local / library / "site-packages" / pip.name)
    _add_system(root)


def _left_out(library: Path, *, all: bool) -> functools.partial[set[str]]:
    packages = {path.name for path in library.iterdir() if path.is_dir()}
    return shutil.ignore_patterns(*_UNUSED, *_TK, *(() if all else packages - {*_COMPILING}))


def _add_system(root: Path) -> None:
    """Add a shell, `ldd` and shared libraries, as they lie in Debian since its /usr is one."""
    for name in ("bin", "lib", "lib64"):
        (root / "usr" / name).mkdir()
        (root / name).symlink_to(f"usr/{name}")
    for tool in ("sh", "bash", "ldd"):
        shutil.copy(f"/usr/bin/{tool}", root / "usr/bin")
    ours = [*root.glob("usr/local/lib/*.so*"), *root.glob("usr/local/lib/python*/lib-dynload/*.so")]
    if shutil.which("strip"):  # official images are
        subprocess.run(["strip", *ours], check=True)
    for library in _shared_libraries([Path("/usr/bin/bash"), *ours]):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    (root / "etc").mkdir()
    (root / "etc/ld.so.conf").write_text("/usr/local/lib\n")
    subprocess.run(["ldconfig", "-r", str(root)], check=True)


def _shared_libraries(files: list[Path]) -> set[Path]:
    """Return the shared libraries that files name, and those of glibc that wheels count on (PEP 600)."""
    answer = subprocess.run(["ldd", *files], capture_output=True, text=True, check=True)
    named = set(map(Path, re.findall(r"(/\S+) \(0x", answer.stdout)))
    (libc,) = (path for path in named if path.name == "libc.so.6")
    more = (
        "libdl.so.2",
        "libgcc_s.so.1",
        "libpthread.so.0",
        "libresolv.so.2",
        "librt.so.1",
        "libutil.so.1",
    )
    return named | {libc.with_name(name) for name in more}
