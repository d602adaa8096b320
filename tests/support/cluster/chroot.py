"""Run what is in an image, in the root file system that it brings and in nothing else."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def enter(
    root: Path,
    command: Sequence[str],
    environ: Mapping[str, str],
    *,
    user: int,
    volumes: Mapping[str, Path],
) -> list[str]:
    """Return the command that runs another in a root file system, as a runtime does; signals reach it.

    The root is read-only but for the volumes, the network is a loopback of its own, there are no
    capabilities and no way to get one. The user need not be known there.
    """
    for name in ("dev", "proc", *volumes):
        (root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
    place = shlex.quote(str(root))
    inner = [
        *("/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environ.items())),
        *("/usr/bin/unshare", f"--root={root}", "--wd=/", f"--setgid={user}", f"--setuid={user}", "--"),
        *command,
    ]
    script = [
        "ip link set lo up",
        f"mount --bind {place} {place}",
        f"mount -o remount,bind,ro {place}",
        f"mount -t proc proc {place}/proc",
        f"mount --rbind /dev {place}/dev",
        *(
            f"mount --bind {shlex.quote(str(v))} {place}{shlex.quote(name)}"
            for name, v in volumes.items()
        ),
        f"exec {shlex.join(inner)}",
    ]
    isolated = "setpriv --no-new-privs unshare --mount --net --propagation=private"
    return [*isolated.split(), "/bin/sh", "-euc", "\n".join(script)]
