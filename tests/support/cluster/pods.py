"""A pod that runs: its init containers in order, its containers, what they write, and its end."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .container import Container, Spec
from .container_env import ConfigError, expand, make_env
from .volumes import Volumes

if TYPE_CHECKING:
    from .kubelet import Kubelet

# What may stand in a manifest: what is done here, and what makes no difference on one machine.
POD_FIELDS = set(
    "containers initContainers volumes restartPolicy securityContext hostname subdomain "
    "shareProcessNamespace terminationGracePeriodSeconds serviceAccountName "
    "automountServiceAccountToken enableServiceLinks "
    "nodeSelector affinity tolerations priorityClassName topologySpreadConstraints schedulerName "
    "activeDeadlineSeconds imagePullSecrets".split()
)
_CONTAINER_FIELDS = set(
    "name image command args workingDir env envFrom volumeMounts securityContext "
    "resources ports livenessProbe readinessProbe startupProbe imagePullPolicy "
    "terminationMessagePolicy lifecycle".split()
)
_SECURITY_FIELDS = set(
    "runAsUser runAsGroup runAsNonRoot fsGroup fsGroupChangePolicy supplementalGroups "
    "readOnlyRootFilesystem allowPrivilegeEscalation capabilities seccompProfile".split()
)


class PodFailed(Exception):
    """An init container failed, and the pod's containers are not started."""


class Pod:
    """A pod on this machine; `containers` are those that run, or ran last, by name."""

    def __init__(self, manifest: dict[str, Any], kubelet: Kubelet, folder: Path) -> None:
        self.manifest = manifest
        self.name = manifest["metadata"]["name"]
        self.containers: dict[str, Container] = {}
        self._kubelet, self._folder = kubelet, folder
        self._logs: dict[str, list[Container]] = {}
        # An image that names no user gets one that nobody knows, as some clusters do it.
        self._random_user = random.randrange(1_000_000, 2_000_000)
        self.volumes = Volumes(
            manifest, folder / "volumes", kubelet.cluster, kubelet.claims, dict(kubelet.sizes)
        )

    def start(self) -> None:
        """Run its init containers, one after the other, and start the others.

        Raises:
            PodFailed: an init container ended with another status than 0.
            ConfigError: a container asks for what there is not.
        """
        spec = self.manifest["spec"]
        for container in spec.get("initContainers", []):
            status = self.start_container(container).wait(60)
            if status != 0:
                raise PodFailed(f"{container['name']}: {status}\n{self.logs(container['name'])}")
        for container in spec["containers"]:
            self.start_container(container)

    def start_container(self, container: dict[str, Any]) -> Container:
        """Start a container of the manifest, or start it again."""
        name = container["name"]
        attempts = self._logs.setdefault(name, [])
        folder = self._folder / "containers" / f"{name}-{len(attempts)}"
        started = self.containers[name] = Container(self._spec(container), folder)
        attempts.append(started)
        return started

    def _spec(self, container: dict[str, Any]) -> Spec:
        only(container, _CONTAINER_FIELDS)
        kubelet, spec = self._kubelet, self.manifest["spec"]
        security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
        only(security, _SECURITY_FIELDS)
        image = kubelet.image(container["image"])
        user = security.get("runAsUser", self._random_user if image.user is None else image.user)
        if user == 0 and security.get("runAsNonRoot"):
            raise ConfigError("container has runAsNonRoot and image will run as root")
        groups = [security["fsGroup"]] if "fsGroup" in security else []
        environ = make_env(container, self.manifest, kubelet.cluster)
        command = container.get("command", list(image.command))
        words = [expand(word, environ) for word in [*command, *container.get("args", [])]]
        hostname = spec.get("hostname", self.name)
        return Spec(
            image=image,
            command=words,
            # runc gives a user whom /etc/passwd does not know this home.
            environ={"HOME": "/", **image.environ, "HOSTNAME": hostname, **environ},
            user=user,
            group=security.get("runAsGroup", 0),
            groups=[*groups, *security.get("supplementalGroups", [])],
            working_dir=container.get("workingDir", image.working_dir),
            mounts=self.volumes.mounts(container),
            hostname=hostname,
            read_only_root=security.get("readOnlyRootFilesystem", False),
            no_new_privileges=not security.get("allowPrivilegeEscalation", True),
            drop_all="ALL" in security.get("capabilities", {}).get("drop", []),
            share_processes=spec.get("shareProcessNamespace", False),
            network=kubelet.network,
            etc={"hosts": self._hosts(hostname), "hostname": f"{hostname}\n"},
        )

    def _hosts(self, hostname: str) -> str:
        spec, namespace = self.manifest["spec"], self.manifest["metadata"]["namespace"]
        names = {"localhost": "127.0.0.1"}
        own = [hostname]
        if "subdomain" in spec:
            own.insert(0, f"{hostname}.{spec['subdomain']}.{namespace}.svc.cluster.local")
        names[" ".join(own)] = self.manifest["status"]["podIP"]
        names.update(self._kubelet.hosts)
        return "".join(f"{address}\t{name}\n" for name, address in names.items())

    def wait(self, timeout: float = 60) -> dict[str, int]:
        """Return the exit status of each container, once all have ended."""
        names = [container["name"] for container in self.manifest["spec"]["containers"]]
        return {name: self.containers[name].wait(timeout) for name in names}

    def logs(self, name: str | None = None) -> str:
        """Return what a container wrote, in all its attempts; the first one's unless named."""
        name = name or self.manifest["spec"]["containers"][0]["name"]
        return "".join(container.log for container in self._logs[name])

    def exec(self, *command: str, container: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, the first one unless named, as `kubectl exec` does."""
        name = container or self.manifest["spec"]["containers"][0]["name"]
        return self.containers[name].exec(*command)

    def delete(self) -> dict[str, int]:
        """Stop it as a cluster does: `preStop`'s sleep, SIGTERM to each first process, SIGKILL.

        All of it within the grace period; who stops being sent requests is not its business.
        """
        running = [container for container in self.containers.values() if container.running]
        hooks = [each.get("lifecycle", {}) for each in self.manifest["spec"]["containers"]]
        pause = max(
            (hook.get("preStop", {}).get("sleep", {}).get("seconds", 0) for hook in hooks), default=0
        )
        time.sleep(pause)
        for container in running:
            container.kill(signal.SIGTERM)
        grace = self.manifest["spec"].get("terminationGracePeriodSeconds", 30) - pause
        for container in running:
            try:
                container.wait(grace)
            except subprocess.TimeoutExpired:
                container.kill()
        return self.wait()

    def remove(self) -> None:
        """Kill what is left of it, and remove its volumes."""
        for container in self.containers.values():
            container.kill()
            container.wait(30)
        self.volumes.remove()


def only(fields: Iterable[str], known: set[str]) -> None:
    """Refuse what is not simulated."""
    unknown = set(fields) - known
    if unknown:
        raise ConfigError(f"not simulated: {', '.join(sorted(unknown))}")
