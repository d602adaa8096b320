"""Nodes of a cluster and what joins them, as network namespaces: nothing reaches this machine's network.

Each namespace lives as long as its descriptor or a process in it, so that none can be left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_ADDRESSES = "198.51.100"  # TEST-NET-2 of RFC 5737


class Namespace:
    """A network namespace with an address on the bridge that joins them all."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._descriptor = _new_namespace()
        self.ip("link", "set", "lo", "up")

    @property
    def path(self) -> Path:
        """What `setns` and `nsenter --net` take."""
        return Path(f"/proc/{os.getpid()}/fd/{self._descriptor}")

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Let this thread's new sockets and processes be in the namespace."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            _enter(self._descriptor)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def ip(self, *words: str) -> None:
        """Run a command of `ip` in the namespace."""
        with self.inside():
            subprocess.run(["ip", *words], check=True)

    def close(self) -> None:
        """Give it up."""
        os.close(self._descriptor)


class Network:
    """Nodes on one bridge, which is in a namespace of its own, `hub`, where a processor can listen."""

    def __init__(self, stack: ExitStack, count: int) -> None:
        self.hub, *self.nodes = (_namespace(stack, number + 1) for number in range(count + 1))
        self.hub.ip(*"link add bridge type bridge".split())
        self.hub.ip(*f"address add {self.hub.address}/24 dev bridge".split())
        self.hub.ip(*"link set bridge up".split())
        for number, node in enumerate(self.nodes):
            self.hub.ip(*f"link add port{number} type veth peer name eth0 netns {node.path}".split())
            self.hub.ip(*f"link set port{number} master bridge up".split())
            node.ip(*f"address add {node.address}/24 dev eth0".split())
            node.ip(*"link set eth0 up".split())

    def cut(self, number: int) -> None:
        """Let every packet from and to a node get lost."""
        self.hub.ip(*f"link set port{number} down".split())

    def mend(self, number: int) -> None:
        """Join the node with the others again."""
        self.hub.ip(*f"link set port{number} up".split())


@contextmanager
def network(count: int = 2) -> Iterator[Network]:
    """Make a network with some nodes; skips where that is not possible."""
    if shutil.which("ip") is None:
        pytest.skip("ip is missing: apt install iproute2")
    with ExitStack() as stack:
        yield Network(stack, count)


def _namespace(stack: ExitStack, number: int) -> Namespace:
    namespace = Namespace(f"{_ADDRESSES}.{number}")
    stack.callback(namespace.close)
    return namespace


def _new_namespace() -> int:
    """Return a descriptor of a new namespace: a thread of its own enters it, and this one stays."""
    opened: list[Any] = []

    def make() -> None:
        try:
            _call("unshare", _NEW_NETWORK)
            opened.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY))
        except OSError as error:
            opened.append(error)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    (found,) = opened
    if isinstance(found, PermissionError):
        pytest.skip("needs root, for network namespaces")
    if isinstance(found, OSError):
        raise found
    return int(found)


def _enter(descriptor: int) -> None:
    _call("setns", descriptor, _NEW_NETWORK)


def _call(name: str, *given: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*given):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
