"""Stand-ins for container images: folders of this machine, and what an image's configuration says."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..installation import Environment

VENV = "/opt/venv"  # where an image has its environment; pods mount over /tmp
_BIN = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """What a container sees: this machine's `/usr`, and folders at the paths that they are given.

    All of it is read-only, but for `/tmp` where the container does not want its root read-only.
    """

    folders: Mapping[str, Path] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: {"PATH": _BIN})
    command: Sequence[str] = ()
    user: int | None = None
    working_dir: str = "/"

    def with_files(self, path: str, folder: Path) -> Image:
        """Return the image with one more folder."""
        return replace(self, folders={**self.folders, path: folder})

    def with_env(self, **environ: str) -> Image:
        """Return the image with more `ENV`."""
        return replace(self, environ={**self.environ, **environ})


def of_environment(environment: Environment) -> Image:
    """Return an image of a virtual environment, at `VENV`, with its interpreter."""
    prefix = environment.python.parent.parent
    for script in environment.python.parent.iterdir():
        text = script.read_bytes()
        shebang = b"#!%s\n" % bytes(environment.python)
        if text.startswith(shebang):
            script.write_bytes(text.replace(shebang, b"#!%s/bin/python\n" % VENV.encode(), 1))
    base = Path(sys.base_prefix)
    environment.python.unlink()  # on 3.9 it leads to the environment that made this one
    environment.python.symlink_to(base / "bin" / "python{}.{}".format(*sys.version_info))
    return Image(
        folders={VENV: prefix, **({} if base.is_relative_to("/usr") else {str(base): base})},
        environ={"PATH": f"{VENV}/bin:{_BIN}"},
    )


def python_without_us(folder: Path) -> Image:
    """Make an image whose Python has all that this one has (wandb, torch, …), but not our package.

    It has `torchrun`, too, where torch is installed.
    """
    environment = Environment(folder)
    shown = {}
    for name in ("purelib", "platlib"):
        source = Path(sysconfig.get_path(name))
        shown[f"/opt/{name}"] = source
        for entry in source.iterdir():
            link = environment.site / entry.name
            if "primus_lens" not in entry.name and not link.is_symlink():
                link.symlink_to(f"/opt/{name}/{entry.name}")
    torchrun = environment.python.parent / "torchrun"
    torchrun.write_text(f"#!{VENV}/bin/python\nfrom torch.distributed.run import main\nmain()\n")
    torchrun.chmod(0o755)
    image = of_environment(environment)
    return replace(image, folders={**image.folders, **shown})


def injector(folder: Path, wheel: Path) -> Image:
    """Make the injector's image: `primus-lens-wandb` is on its PATH, installed from the wheel."""
    environment = Environment(folder)
    environment.install(wheel)
    return replace(of_environment(environment), user=65532)
