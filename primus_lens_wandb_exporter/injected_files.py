"""What goes into an injected folder: sources, bytecode for several Pythons, and the sums of both."""

from __future__ import annotations

import importlib.util
import marshal
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

from . import __version__
from .run_command import ENTRY_FILES, hook_folder

PACKAGE = "primus_lens_wandb_exporter"
CACHE = "__pycache__"
SUMS = f"{PACKAGE}/SHA256SUMS"

# OpenTelemetry's `sitecustomize` runs no other, but what installed packages give it to run. Ours is one
# only where this folder is on the path, too: it would stand in everybody's `pip freeze`.
_BESIDE_OPENTELEMETRY = f"{PACKAGE}/for-opentelemetry/{PACKAGE}.dist-info"
_METADATA = f"Metadata-Version: 2.1\nName: primus-lens-wandb-exporter\nVersion: {__version__}\n"
_ENTRY_POINTS = f"[opentelemetry_pre_instrument]\n{PACKAGE} = _{PACKAGE}:start\n"

_LEFT_OUT = ("processor", "sitecustomize", CACHE)  # the first is a program of its own, with needs
_HASHED, _UNCHECKED, _HEADER = 0b1, 0b01, 16  # PEP 552: flags in the second word, length in bytes


def collect() -> dict[str, bytes]:
    """Return the files' contents by their path in the folder.

    Bytecode that lies beside the sources is taken if it is hash-based, for whatever Python; for this one
    it is made where there is none. `SHA256SUMS` has the sums of all others, for `sha256sum -c`.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    files = {
        f"{_BESIDE_OPENTELEMETRY}/METADATA": _METADATA.encode(),
        f"{_BESIDE_OPENTELEMETRY}/entry_points.txt": _ENTRY_POINTS.encode(),
    }
    for name, source in _sources():
        data = source.read_bytes()
        files[name] = data
        if source.suffix == ".py":
            parent = Path(name).parent
            for pyc, code in _bytecode(source, data).items():
                files[str(parent / CACHE / pyc)] = code
    return {**files, SUMS: sums(files)}


def sums(files: dict[str, bytes]) -> bytes:
    """Return what `SHA256SUMS` says of all files but itself."""
    rest = sorted((name, data) for name, data in files.items() if name != SUMS)
    return "".join(f"{sha256(data).hexdigest()}  {name}\n" for name, data in rest).encode()


def is_same(name: str, one: bytes, other: bytes) -> bool:
    """Return whether two contents of a file are as good as each other.

    What Python makes of the same source twice may differ in its bytes, but not in its header, which
    names the Python and the source.
    """
    if name == SUMS:
        return True
    return one[:_HEADER] == other[:_HEADER] if name.endswith(".pyc") else one == other


def bytecode_tags(files: dict[str, bytes]) -> list[str]:
    """Return the Pythons that there is bytecode for, such as `cpython-311`."""
    tags = {Path(name).name.split(".")[1] for name in files if name.endswith(".pyc")}
    return sorted(tags, key=lambda tag: (len(tag), tag))


def _sources() -> Iterator[tuple[str, Path]]:
    for entry in ENTRY_FILES:
        yield entry, hook_folder() / entry
    package = Path(__file__).resolve().parent
    for path in sorted(package.rglob("*")):
        inner = path.relative_to(package)
        wanted = path.suffix == ".py" or path.name == "py.typed"
        if wanted and inner.parts[0] not in _LEFT_OUT:
            yield f"{PACKAGE}/{inner.as_posix()}", path


def _bytecode(source: Path, data: bytes) -> dict[str, bytes]:
    """Return a source's hash-based bytecode by file name, with this Python's."""
    found = {pyc.name: pyc.read_bytes() for pyc in (source.parent / CACHE).glob(f"{source.stem}.*.pyc")}
    hashed = {name: code for name, code in found.items() if code[4:5] and code[4] & _HASHED}
    own = Path(importlib.util.cache_from_source(source.name, optimization="")).name
    if hashed.get(own, b"")[:4] != MAGIC_NUMBER:
        code = compile(data, source.name, "exec", dont_inherit=True, optimize=0)
        header = MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + source_hash(data)
        hashed[own] = header + marshal.dumps(code)
    return hashed
