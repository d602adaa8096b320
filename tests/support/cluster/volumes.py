"""The volumes of a pod, as folders of this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .container import Mount
from .container_env import Cluster, ConfigError, field, quantity, resource

_READ_ONLY = ("configMap", "secret", "projected", "downwardAPI")


class Volumes:
    """What the `volumes` of a pod hold, and how its containers see them.

    Claims are folders below `claims`, which outlive the pod. A volume of the `sizes` (in bytes) is as
    large as that and no larger, like one on a disk that is full.
    """

    def __init__(
        self, pod: dict[str, Any], folder: Path, cluster: Cluster, claims: Path, sizes: dict[str, int]
    ) -> None:
        self._pod, self._folder, self._cluster, self._claims = pod, folder, cluster, claims
        self._mounted: list[Path] = []
        self._kinds: dict[str, str] = {}
        self._sources: dict[str, dict[str, Any]] = {}
        self._paths: dict[str, Path] = {}
        try:
            for volume in pod["spec"].get("volumes", []):
                self._make(volume, sizes.get(volume["name"]))
        except BaseException:
            self.remove()
            raise

    def _make(self, volume: dict[str, Any], size: int | None) -> None:
        ((kind, source),) = [(key, value) for key, value in volume.items() if key != "name"]
        name, source = volume["name"], source or {}
        self._kinds[name], self._sources[name] = kind, source
        path = self._paths[name] = self._folder / name
        if kind == "persistentVolumeClaim":
            path = self._paths[name] = self._claims / source["claimName"]
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.mkdir(parents=True)
            if kind == "emptyDir":
                if size or source.get("medium") == "Memory":
                    self._mount(path, size or int(quantity(source.get("sizeLimit", "64Mi"))))
            elif kind in _READ_ONLY:
                self.refresh(name)
            else:
                raise ConfigError(f"volume {name}: {kind} is not simulated")
        if kind in ("emptyDir", "persistentVolumeClaim"):
            path.chmod(0o777)
            if self._group is not None:
                os.chown(path, -1, self._group)
                path.chmod(0o2777)

    def refresh(self, name: str) -> None:
        """Write what a ConfigMap or Secret holds now; as a kubelet does it, by turning a link."""
        path = self._paths[name]
        old = [folder for folder in path.glob("..*") if not folder.is_symlink()]
        new = path / f"..{uuid.uuid4().hex}"
        new.mkdir()
        self._fill(new, self._kinds[name], self._sources[name])
        (path / "..turned").symlink_to(new.name)
        os.replace(path / "..turned", path / "..data")
        for entry in new.iterdir():
            if not (path / entry.name).is_symlink():
                (path / entry.name).symlink_to(f"..data/{entry.name}")
        for folder in old:
            shutil.rmtree(folder)

    @property
    def _group(self) -> int | None:
        group: int | None = self._pod["spec"].get("securityContext", {}).get("fsGroup")
        return group

    def _mount(self, path: Path, size: int) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "volume", str(path)], check=True)
        self._mounted.append(path)

    def _fill(self, path: Path, kind: str, source: dict[str, Any]) -> None:
        if kind == "projected":
            for part in source["sources"]:
                ((part_kind, part_source),) = part.items()
                self._fill(path, part_kind, part_source)
            return
        mode = source.get("defaultMode", 0o644)
        for name, text in self._files(kind, source):
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(mode)
            if self._group is not None:
                os.chown(target, -1, self._group)

    def _files(self, kind: str, source: dict[str, Any]) -> Iterable[tuple[str, str]]:
        if kind == "downwardAPI":
            for item in source["items"]:
                if "fieldRef" in item:
                    yield item["path"], field(self._pod, item["fieldRef"]["fieldPath"])
                else:
                    yield item["path"], resource(self._pod, item["resourceFieldRef"], {})
        elif kind == "serviceAccountToken":
            yield source["path"], "a token"
        else:
            kinds = {"configMap": "ConfigMap", "secret": "Secret"}
            data = self._cluster.required(kinds[kind], self._pod["metadata"]["namespace"], source)
            items = source.get("items")
            names = (
                {item["key"]: item["path"] for item in items} if items else {key: key for key in data}
            )
            for key, path in names.items():
                if key in data:
                    yield path, data[key]
                elif not source.get("optional"):
                    raise ConfigError(f"references non-existent key: {key}")

    def path(self, name: str) -> Path:
        """Return the folder of a volume."""
        return self._paths[name]

    def mounts(self, container: dict[str, Any]) -> list[Mount]:
        """Return the mounts of a container.

        Raises:
            ConfigError: it mounts what is no volume of the pod.
        """
        return [self._mount_of(mount) for mount in container.get("volumeMounts", [])]

    def _mount_of(self, mount: dict[str, Any]) -> Mount:
        unknown = set(mount) - {"name", "mountPath", "readOnly", "subPath"}
        if unknown or mount["name"] not in self._paths:
            raise ConfigError(f"volume mount {mount}: no such volume, or {unknown} is not simulated")
        source = self._paths[mount["name"]]
        if "subPath" in mount:
            source /= mount["subPath"]
            if not source.exists():
                source.mkdir(parents=True)
        read_only = mount.get("readOnly", False) or self._kinds[mount["name"]] in _READ_ONLY
        return Mount(mount["mountPath"].rstrip("/") or "/", source, read_only)

    def remove(self) -> None:
        """Remove all that does not outlive the pod."""
        for path in self._mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)
        shutil.rmtree(self._folder, ignore_errors=True)
