"""The machine's name, its operating system, the interpreter and the user."""

from __future__ import annotations

import os
import platform

from ..probe import Probe

_USER_NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")  # in the order of `getpass.getuser`
_LONGEST = 256  # characters of a name


def describe_system(probe: Probe) -> dict[str, str]:
    """Return `platform`, `python_version`, `hostname` and `user`."""
    uname = os.uname()
    return {
        "platform": "-".join((uname.sysname, uname.release, uname.machine, *_name_libc())),
        "python_version": platform.python_version(),
        "hostname": uname.nodename,
        "user": name_user(probe, os.getuid()),
    }


def name_user(probe: Probe, uid: int) -> str:
    """Return the user's name by the environment, else by `/etc/passwd`, else as `uid 12345`.

    The name service is not asked: it may be a server that hangs.
    """
    for name in _USER_NAMES:
        if probe.environ.get(name):
            return probe.environ[name][:_LONGEST]
    for line in (probe.read_text("/etc/passwd") or "").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[0] and fields[2] == str(uid):
            return fields[0][:_LONGEST]
    return f"uid {uid}"


def _name_libc() -> tuple[str, ...]:
    # `platform.platform()` says the same, but reads through the interpreter's binary to find out.
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):  # no glibc
        version = None
    return ("with", version.replace(" ", "")) if version else ()
