"""Bodies that could not be delivered, on disk, until an endpoint takes them.

One file a body, in one folder for all processes of a pod; names sort by age. A file appears in one
step, and whoever would send it claims it first: takes a lock that the kernel lets go when its holder
dies, and renames it. What is no body of ours, or only half of one, is set aside and never deleted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from .. import guard
from ..settings import Settings
from .envelope import Envelope
from .json_text import to_json

_BODY, _CLAIMED, _NEW = ".body", ".claimed", ".new"
_ASIDE = "aside"
SPOOL = "spool"  # the folder below the output path
_ABANDONED = 60.0  # seconds after which nobody is writing a file any more
_FORMAT = 1


class SpooledEnvelope(Envelope):
    """A body from the spool; its entries are not looked at unless it must be split."""

    def __init__(self, head: dict[str, Any], body: bytes) -> None:
        super().__init__(head["path"], {}, head["field"])
        self.key = head["key"]
        self._weight = head["weight"]
        self._body = body

    @property
    def weight(self) -> int:
        """How many counted things it holds."""
        return int(self._weight)

    def split(self) -> tuple[Envelope, Envelope] | None:
        """Return two envelopes with half of the entries each, or None if there is nothing to halve."""
        head = json.loads(self.body())
        entries = [to_json(entry) for entry in head.pop(self.field, ())]
        return Envelope(self.path, head, self.field, entries).split()


class Claim(NamedTuple):
    """A file that is ours to send, and its contents."""

    name: str
    descriptor: int
    envelope: SpooledEnvelope

    @property
    def age(self) -> float:
        """Seconds since it was written."""
        written = self.name.partition("-")[0]
        return time.time() - int(written) / 1e9 if written.isdecimal() else 0.0


class Spool:
    """A spool folder; made when there is something to put into it.

    Args:
        folder: where the files are.
        max_bytes: what all files together may hold.
    """

    def __init__(self, folder: str, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self.last_error = ""
        self._stuck: set[str] = set()  # what could be neither deleted nor moved

    def put(self, *envelopes: Envelope) -> bool:
        """Keep all of the envelopes, or none if there is no room or the disk fails; return which."""
        try:
            files = {
                f"{time.time_ns():020}-{envelope.key}{_BODY}": _file_of(envelope)
                for envelope in envelopes
            }
        except (TypeError, ValueError):
            return False
        written: list[str] = []
        try:
            if self.size() + sum(map(len, files.values())) > self.max_bytes:
                raise OSError(errno.EDQUOT, "the spool is full")
            for name, data in files.items():
                self._write(name, data)
                written.append(name)
        except OSError as error:
            self._say(f"{self.folder}: {error.strerror}")
            for name in written:
                with suppress(OSError):
                    os.unlink(os.path.join(self.folder, name))
            return False
        return True

    def _write(self, name: str, data: bytes) -> None:
        os.makedirs(self.folder, exist_ok=True)
        scratch = os.path.join(self.folder, f".{name}{_NEW}")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            try:
                if os.write(descriptor, data) < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(descriptor)
            os.rename(scratch, os.path.join(self.folder, name))
        except OSError:
            os.unlink(scratch)
            raise

    def size(self) -> int:
        """Return the bytes of all files, those set aside included."""
        return sum(state.st_size for folder in (self.folder, self.aside) for _, state in _files(folder))

    def waiting(self) -> list[str]:
        """Return the names of the files that wait, the oldest first; what is foreign is set aside."""
        names, foreign = [], []
        for name, state in _files(self.folder):
            if name.removesuffix(_CLAIMED).endswith(_BODY):
                names.append(name)
            elif not name.startswith("."):
                foreign.append((name, "is no body of ours"))
            elif name.endswith(_BODY + _NEW) and time.time() - state.st_mtime > _ABANDONED:
                foreign.append((name, "was never finished"))
        for name, why in foreign:
            try:
                self._set_aside(name, why)
            except OSError as error:
                guard.debug(guard.REPORTER_PREFIX, f"spool: {error}")
        return sorted(name for name in names if name not in self._stuck)

    def claim(self, name: str) -> Claim | None:
        """Claim a file for this process and read it; None if another has it, or it is damaged.

        Raises:
            OSError: it cannot be read or renamed.
        """
        path = os.path.join(self.folder, name)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            claimed = name.endswith(_CLAIMED)
            # The lock may have been its last holder's, who deleted the file before letting go.
            if not _lock(descriptor, otherwise=not claimed) or not os.fstat(descriptor).st_nlink:
                os.close(descriptor)
                return None
            if not claimed:
                os.rename(path, path + _CLAIMED)
                name += _CLAIMED
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read()
            return Claim(name, descriptor, _parse(data))
        except FileNotFoundError:  # another was faster, where locks are not to be had
            os.close(descriptor)
            return None
        except (ValueError, KeyError, TypeError) as error:
            self._set_aside(name, f"is damaged: {error}")
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise

    def release(self, claim: Claim) -> None:
        """Give a claimed file back."""
        path = os.path.join(self.folder, claim.name)
        self._end(claim, lambda: os.rename(path, path.removesuffix(_CLAIMED)))

    def discard(self, claim: Claim) -> None:
        """Delete a claimed file, which was delivered."""
        self._end(claim, lambda: os.unlink(os.path.join(self.folder, claim.name)))

    def refuse(self, claim: Claim, reason: str) -> None:
        """Set a claimed file aside, which the other side will never take."""
        self._end(claim, lambda: self._set_aside(claim.name, f"was refused: {reason}"))

    def _end(self, claim: Claim, operation: Callable[[], None]) -> None:
        try:
            operation()
        except OSError as error:  # nobody else shall send it as long as we live
            self._stuck.add(claim.name)
            guard.debug(guard.REPORTER_PREFIX, f"spool: {error}")
            return
        os.close(claim.descriptor)

    def _say(self, what: str) -> None:
        self.last_error = what
        guard.debug(guard.REPORTER_PREFIX, f"spool: {what}")

    def _set_aside(self, name: str, why: str) -> None:
        known_as = name.removesuffix(_CLAIMED).lstrip(".")
        self._say(f"{known_as} {why}; set aside in {self.aside}")
        os.makedirs(self.aside, exist_ok=True)
        target = os.path.join(self.aside, known_as)
        if os.path.lexists(target):
            target = f"{target}.{time.time_ns()}"
        os.rename(os.path.join(self.folder, name), target)

    @property
    def aside(self) -> str:
        """The folder of what was set aside."""
        return os.path.join(self.folder, _ASIDE)

    def count(self) -> int:
        """Return how many bodies lie in the spool, those claimed by a process included."""
        return sum(name.removesuffix(_CLAIMED).endswith(_BODY) for name, _ in _files(self.folder))

    def names_aside(self) -> set[str]:
        """Return the names of the files that were set aside, by any process."""
        return {name for name, _ in _files(self.aside)}


def make_spool(settings: Settings) -> Spool | None:
    """Return the spool below the output path, or None if there is to be none."""
    if not settings.writes_files or not settings.spool_size:
        return None
    return Spool(os.path.join(settings.output_path, SPOOL), settings.spool_size << 20)


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yield names and states of the regular files of a folder that may not be there."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            state = os.lstat(os.path.join(folder, name))
        except OSError:  # gone meanwhile
            continue
        if stat.S_ISREG(state.st_mode):
            yield name, state


def _lock(descriptor: int, *, otherwise: bool) -> bool:
    """Lock a file for this process, not for its children; False if another process has it.

    Where the file system knows no locks, return `otherwise`: a file can be claimed there by its
    renaming alone, and a claim never be taken over.
    """
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return otherwise and error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


def _file_of(envelope: Envelope) -> bytes:
    body = envelope.body()
    head = {
        "format": _FORMAT,
        "path": envelope.path,
        "field": envelope.field,
        "key": envelope.key,
        "weight": envelope.weight,
        "size": len(body),
        "crc32": zlib.crc32(body),
    }
    return b"%s\n%s" % (json.dumps(head).encode(), body)


def _parse(data: bytes) -> SpooledEnvelope:
    line, _, body = data.partition(b"\n")
    head = json.loads(line)
    if head["format"] != _FORMAT:
        raise ValueError(f"format {head['format']!r}")
    if (head["size"], head["crc32"]) != (len(body), zlib.crc32(body)):
        raise ValueError("its contents are not what was written")
    return SpooledEnvelope(head, body)
