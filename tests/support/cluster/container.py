"""Run a command as a container: a root, mounts, processes and a name of its own, as another user."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .image import Image

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
# What containerd leaves a process of root, where a container drops none.
_DEFAULT_CAPABILITIES = (
    "chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap net_bind_service "
    "sys_chroot kill audit_write"
).split()
_UNSHARE = "unshare --mount --uts --ipc --pid --fork --propagation private".split()


@functools.cache
def cannot_run() -> str:
    """Return why no container can be run here; nothing where they can."""
    if os.geteuid() != 0:
        return "needs root, to mount and to be another user"
    if shutil.which("unshare") is None:
        return "unshare is missing: apt install util-linux"
    finished = subprocess.run([*_UNSHARE, "mount", "-t", "tmpfs", "probe", "/mnt"], capture_output=True)
    return "may not mount here: " + finished.stderr.decode() if finished.returncode else ""


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine at a path of the container."""

    path: str
    source: Path
    read_only: bool = False


@dataclass(frozen=True)
class Spec:
    """All that a runtime is told of a container."""

    image: Image
    command: Sequence[str]
    environ: Mapping[str, str]
    user: int
    group: int = 0
    groups: Sequence[int] = ()
    working_dir: str = "/"
    mounts: Sequence[Mount] = ()
    hostname: str = "localhost"
    read_only_root: bool = False
    no_new_privileges: bool = False
    drop_all: bool = False
    share_processes: bool = False  # its command is not process 1: that is the pod's own
    network: Path | None = None  # a network namespace; none: this process's
    etc: Mapping[str, str] = field(default_factory=dict)  # what a kubelet writes there, such as hosts


class Container:
    """A command that runs; both its outputs go to one file."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        """Start it.

        Raises:
            RuntimeError: its root could not be made; what failed is in the message.
        """
        folder.mkdir(parents=True)
        self.spec = spec
        self._log = folder / "log"
        (folder / "root").mkdir()
        reader, writer = os.pipe()
        enter = ["nsenter", f"--net={spec.network}"] if spec.network else []
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*enter, *_UNSHARE, "sh", "-euc", _setup(spec, folder / "root")],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=log,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            )
        os.close(writer)
        with os.fdopen(reader) as lines:
            pid, ready = lines.readline(), lines.readline()
        if not ready:
            self._process.wait()
            raise RuntimeError(f"no container: {self.log}")
        self.pid = int(pid)
        self._killed = False

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace")

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status as a cluster tells it: 128 and the number, where a signal ended it."""
        status = self._process.wait(timeout)
        if self._killed:  # of which `unshare` 2.38 knows nothing to say
            return 128 + signal.SIGKILL
        return 128 - status if status < 0 else status

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send its first process a signal, as a runtime does; from outside SIGKILL ends all of them."""
        if self.running:
            self._killed = number == signal.SIGKILL
            os.kill(self.pid, number)

    def exec(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one more command in it, as `kubectl exec` does."""
        enter = f"nsenter --target {self.pid} --mount --uts --ipc --net --pid".split()
        return subprocess.run(
            [*enter, *_as_user(self.spec, command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )


def _as_user(spec: Spec, command: Sequence[str]) -> list[str]:
    kept = "-all" if spec.drop_all else ",".join(["-all", *(f"+{c}" for c in _DEFAULT_CAPABILITIES)])
    groups = ",".join(map(str, spec.groups))
    return [
        *("/usr/bin/setpriv", f"--reuid={spec.user}", f"--regid={spec.group}"),
        *([f"--groups={groups}"] if groups else ["--clear-groups"]),
        *(f"--bounding-set={kept}", "--inh-caps=-all"),
        *(["--no-new-privs"] if spec.no_new_privileges else []),
        *("/usr/bin/env", "-i", f"--chdir={spec.working_dir}"),
        *(f"{name}={value}" for name, value in spec.environ.items()),
        *command,
    ]


def _setup(spec: Spec, root: Path) -> str:
    """Return the script that makes the root, says its process's number, and becomes the command."""
    inside = [Mount(path, source, True) for path, source in spec.image.folders.items()]
    lines = [
        "read -r pid rest </proc/self/stat; echo $pid",  # as seen from outside
        f"echo {shlex.quote(spec.hostname)} >/proc/sys/kernel/hostname",
        f"cd {shlex.quote(str(root))}",
        "mount -t tmpfs -o mode=755 image .",
        f"cd {shlex.quote(str(root))}",
        "mkdir -p usr etc dev/shm proc sys tmp run var/tmp root home",
        "chmod 1777 tmp var/tmp",
        "mount --bind /usr usr; mount -o remount,bind,ro usr",
        "for name in bin sbin lib lib64; do",
        '  if [ -L /$name ]; then ln -s "$(readlink /$name)" $name',
        "  elif [ -d /$name ]; then mkdir $name; mount --bind -o ro /$name $name; fi",
        "done",
        *(f"[ ! -e /etc/{name} ] || cp -a /etc/{name} etc/" for name in _ETC),
        *(f"[ ! -d /etc/{name} ] || cp -a /etc/{name} etc/" for name in ("alternatives", "ssl")),
        *(f"printf %s {shlex.quote(text)} >etc/{name}" for name, text in spec.etc.items()),
        "mount -t tmpfs -o mode=755 dev dev; mkdir dev/shm",
        *(f": >dev/{name}; mount --bind /dev/{name} dev/{name}" for name in _DEVICES),
        "ln -s /proc/self/fd dev/fd",
        "mount -t tmpfs -o mode=1777,size=64m shm dev/shm",
        "mount -t proc proc proc; mount --rbind /sys sys",
        *(_bind(mount) for mount in [*inside, *sorted(spec.mounts, key=lambda mount: mount.path)]),
        f"mkdir -p .{shlex.quote(spec.working_dir)}",
        *(["mount -o remount,bind,ro ."] if spec.read_only_root else []),
        "pivot_root . .; umount -l .",
        f"echo ready; exec {shlex.join(_as_user(spec, spec.command))} >&2",
    ]
    if spec.share_processes:
        lines = ["(", *lines, ")", "exit $?"]
    return "\n".join(lines)


def _bind(mount: Mount) -> str:
    source, target = shlex.quote(str(mount.source)), shlex.quote(f".{mount.path}")
    make = "mkdir -p" if mount.source.is_dir() else "install -D /dev/null"
    line = f"[ -e {target} ] || {make} {target}; mount --bind {source} {target}"
    return f"{line}; mount -o remount,bind,ro {target}" if mount.read_only else line
