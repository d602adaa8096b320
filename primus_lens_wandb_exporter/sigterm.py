"""A SIGTERM that nobody handles: deliver what there is, then die of it all the same.

The kernel would end the process without running anything of it. Two halves, both needed. A Python
handler, which the main thread runs once it is back in the interpreter: no line of the user's code
comes after. And a thread behind `signal.set_wakeup_fd`, for a main thread that sits in C code and
does not come back, such as a collective that hangs.

Only the default is touched. Whoever installed a handler, or does so later, has it to himself.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from types import FrameType
from typing import Callable, NoReturn

from . import guard

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)
_LONGEST_WAIT = 4.0  # seconds that one half waits for the other
_INIT = 1  # the kernel keeps a SIGTERM nobody handles away from it; so there is nothing to do


class SigtermWatch:
    """Calls `deliver` before a default SIGTERM ends the process."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        self._deliver = deliver
        self._handler = self._handle  # one object, to know it again by
        self._pid = 0  # of the process it is installed in
        self._handling = False
        self._first = threading.Lock()
        self._wakeup: tuple[socket.socket, socket.socket] | None = None

    def install(self) -> None:
        """Take over the default, if that is what is in force; from the main thread alone."""
        if self._pid == os.getpid() or threading.current_thread() is not threading.main_thread():
            return
        self._pid = os.getpid()
        if self._pid == _INIT or not _is_default():
            return
        signal.signal(signal.SIGTERM, self._handler)
        self._watch()

    def forget(self) -> None:
        """Give the default back to a child that was just forked."""
        wakeup, self._wakeup, self._pid = self._wakeup, None, 0
        self._first, self._handling = threading.Lock(), False
        try:
            if self._is_ours():
                # One that came in between Python would take for nobody's and ignore.
                before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            if wakeup is not None:
                current = signal.set_wakeup_fd(-1)
                if current not in (-1, wakeup[1].fileno()):
                    signal.set_wakeup_fd(current)
        except ValueError:  # forked behind Python's back, from another thread than the main one
            return
        for end in wakeup or ():
            end.close()

    def _is_ours(self) -> bool:
        return signal.getsignal(signal.SIGTERM) is self._handler

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if not self._is_ours():  # a handler that took our place calls the one before it
            return
        try:
            if self._pid == os.getpid() and not self._handling:
                self._handling = True
                self._end()
        except BaseException:  # whoever interrupts this does not want to wait
            pass
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _die()

    def _end(self) -> None:
        # Whoever comes second waits for the first, who ends the process.
        if self._first.acquire(timeout=_LONGEST_WAIT):
            with guard.boundary:
                self._deliver()

    def _watch(self) -> None:
        """Start the thread that sees the signal at once, where nobody else wants to see it."""
        if not hasattr(socket, "SO_PASSCRED"):
            return
        try:
            receiver, sender = socket.socketpair()
        except OSError as error:  # no descriptor left: what the run has to say comes first
            guard.debug(guard.REPORTER_PREFIX, f"cannot watch for SIGTERM: {error}")
            return
        sender.setblocking(False)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        current = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
        if current != -1:
            signal.set_wakeup_fd(current)
            receiver.close()
            sender.close()
            return
        self._wakeup = receiver, sender
        name = "primus-lens-wandb-sigterm"
        try:
            threading.Thread(target=self._listen, args=(receiver,), name=name, daemon=True).start()
        except RuntimeError as error:  # as many as the system allows
            guard.debug(guard.REPORTER_PREFIX, f"cannot watch for SIGTERM: {error}")

    def _listen(self, receiver: socket.socket) -> None:
        with guard.boundary:
            while not self._hears_sigterm(receiver):
                pass
            self._end()
            # Only the main thread may call `signal.signal`.
            import ctypes

            ctypes.CDLL(None).signal(signal.SIGTERM, signal.SIG_DFL)
            _die()

    def _hears_sigterm(self, receiver: socket.socket) -> bool:
        signals, extra, _, _ = receiver.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
        # A child shares the socket until it has forgotten it. Its signals are not ours.
        senders = [_CREDENTIALS.unpack(data)[0] for _, _, data in extra]
        return signal.SIGTERM in signals and senders == [self._pid] and self._is_ours()


def _is_default() -> bool:
    """Return whether neither Python nor C code handles or ignores the signal: proc(5), `status`."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith(("SigCgt", "SigIgn"))]
    except (OSError, ValueError, IndexError):
        return True
    return not any(mask >> (signal.SIGTERM - 1) & 1 for mask in masks)


def _die() -> NoReturn:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGTERM)
    while True:  # until the kernel has seen to it
        time.sleep(1)
