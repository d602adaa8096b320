"""Append entries to a JSON Lines file, one entry a line."""

from __future__ import annotations

import errno
import os

from .envelope import Envelope, Outcome, Verdict


class JsonlSink:
    """Opens the file for each delivery, so a rotated file or a folder that comes back is no trouble.

    A delivery is one append, so several processes may share one file on a local file system.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._torn = False

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """Append the entries; never raises. What the disk refuses is retried."""
        lines = "".join(f"{entry}\n" for entry in envelope.entries)
        try:
            self._append(lines.encode())
        except OSError as error:
            return Outcome(
                Verdict.RETRY, "disk_error", f"{self.path}: {error.strerror}", unreachable=True
            )
        return Outcome(Verdict.SENT)

    def _append(self, lines: bytes) -> None:
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(self.path, flags, 0o644)
        try:
            if self._torn:  # end the line that a full disk cut off
                lines = b"\n" + lines
            self._torn = os.write(descriptor, lines) < len(lines)
            if self._torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Nothing is held open."""
