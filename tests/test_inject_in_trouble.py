"""`inject` where it may not, or cannot: one clear line, and nothing half done is armed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from primus_lens_wandb_exporter import __version__

from .support.injection import contents, inject, injected
from .support.installation import PACKAGE, copy_sources

ENTRIES = ("sitecustomize.py", "usercustomize.py")


def assert_refused(folder: Path | str, why: str, **how: object) -> None:
    """It ends with status 1 and one line; as best effort with the same line and status 0."""
    line = f"primus-lens-wandb: {folder}: nothing was injected: {why}\n"
    for options, status in (((), 1), (("--best-effort",), 0)):
        finished = inject(folder, *options, **how)  # type: ignore[arg-type]
        assert (finished.stderr, finished.stdout) == (line, "")
        assert finished.returncode == status


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a folder holds when all went well."""
    return contents(injected(tmp_path_factory.mktemp("whole")))


@pytest.fixture
def namespaces() -> list[str]:
    """The beginning of a command that has its own mounts, as root of its own."""
    command = ["unshare", "-rm"]
    if not shutil.which("unshare"):
        pytest.skip("apt install util-linux")
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no mount namespaces here")
    return command


def test_no_name() -> None:
    finished = inject("")
    line = "primus-lens-wandb: '': nothing was injected: no folder is named\n"
    assert (finished.returncode, finished.stderr, finished.stdout) == (1, line, "")


def test_no_folder(tmp_path: Path) -> None:
    assert_refused(tmp_path / "a" / "b", f"there is no folder {tmp_path / 'a'}")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(tmp_path / "file", "it is not a folder")


def test_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(tmp_path / "file" / "folder", "Not a directory")


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_folder_with_somebody_elses(entry: str, tmp_path: Path) -> None:
    (tmp_path / entry).write_text("import theirs")
    assert_refused(tmp_path, f"it has a {entry} that is not ours; choose a folder of its own")
    assert contents(tmp_path) == {entry: b"import theirs"}


def test_a_folder_with_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").symlink_to("/nowhere/theirs.py")
    why = "it has a sitecustomize.py that is not ours; choose a folder of its own"
    assert_refused(tmp_path, why)


def test_another_version_stays_as_it_is(tmp_path: Path) -> None:
    source = copy_sources(tmp_path)
    init = source / PACKAGE / "__init__.py"
    init.write_text(init.read_text().replace(f'"{__version__}"', '"99.0"'))
    folder = tmp_path / "folder"
    assert inject(folder, package=source).returncode == 0
    before = contents(folder)
    why = (
        f"it has version 99.0, which jobs may be using; choose another folder for version {__version__}"
    )
    assert_refused(folder, why)
    assert contents(folder) == before


@pytest.mark.parametrize("where", [".", "sitecustomize"])
def test_an_installation_is_no_folder_to_inject_into(where: str, tmp_path: Path) -> None:
    source = copy_sources(tmp_path)
    before = contents(source)
    why = "we are installed there; choose a folder of its own"
    assert_refused(source / where, why, package=source)
    assert contents(source) == before


def mounted(namespaces: list[str], mounts: str) -> list[str]:
    """Return the beginning of a command that finds things mounted."""
    return [*namespaces, "sh", "-c", f'{mounts} && exec "$0" "$@"']


def test_a_read_only_folder(namespaces: list[str], tmp_path: Path) -> None:
    mounts = f"mount --bind {tmp_path} /mnt && mount -o remount,bind,ro /mnt"
    assert_refused("/mnt", "Read-only file system", before=mounted(namespaces, mounts))


@pytest.mark.parametrize("size", ["4k", "300k"])
def test_a_full_disk_is_left_as_empty_as_it_was(
    size: str, namespaces: list[str], tmp_path: Path
) -> None:
    before = mounted(namespaces, f"mount -t tmpfs -o size={size} none /mnt")
    assert_refused("/mnt", "No space left on device", before=before)
    look = "import atexit, os; atexit.register(lambda: print(os.listdir('/mnt')))"
    assert inject("/mnt", before=before, code=look).stdout == "[]\n"


def test_an_installation_that_lacks_a_file(tmp_path: Path) -> None:
    source = copy_sources(tmp_path)
    (source / "sitecustomize" / "sitecustomize.py").unlink()
    why = f"{source / PACKAGE}: sitecustomize is missing; install the package again"
    assert_refused(tmp_path / "folder", why, package=source)
    assert not (tmp_path / "folder").exists()


def test_as_best_effort_not_even_an_error_of_our_own_keeps_a_pod_from_starting(tmp_path: Path) -> None:
    broken = "import primus_lens_wandb_exporter.inject as i; i.collect = lambda: 1 / 0"
    finished = inject(tmp_path, "--best-effort", code=broken)
    line = f"{tmp_path}: nothing was injected: ZeroDivisionError: division by zero\n"
    assert (finished.returncode, finished.stderr) == (0, f"primus-lens-wandb: {line}")
    assert inject(tmp_path, code=broken).returncode == 1


KILLED = """
import os
left = {count}
def kill(event, arguments):
    global left
    if event == {event!r}:
        left -= 1
        if left < 0:
            os._exit(137)
sys.addaudithook(kill)
"""


@pytest.mark.parametrize(
    ("event", "count"),
    [("os.mkdir", 0), ("os.mkdir", 1), ("os.chmod", 40), *(("os.rename", n) for n in range(7))],
)
def test_one_that_is_killed_is_completed_by_the_next(
    event: str, count: int, whole: dict[str, bytes], tmp_path: Path
) -> None:
    finished = inject(tmp_path, code=KILLED.format(event=event, count=count))
    assert finished.returncode == 137
    left = contents(tmp_path)
    if any(entry in left for entry in ENTRIES):  # what arms stands only on what is whole
        assert all(left[name] == data for name, data in whole.items() if name not in ENTRIES)
    assert contents(injected(tmp_path)) == whole
    assert [
        path for path in tmp_path.iterdir() if path.name.startswith(".") and any(path.iterdir())
    ] == []


def test_many_at_once_fill_one_folder(whole: dict[str, bytes], tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as threads:
        finished = list(threads.map(inject, [tmp_path] * 6))
    assert [one.stderr for one in finished] == [""] * 6
    assert [one.returncode for one in finished] == [0] * 6
    assert contents(tmp_path) == whole
    assert not list(tmp_path.glob(".*"))


RIVAL = """
import os
def come_first(event, arguments):
    if event == "os.rename" and not os.path.exists({package!r}):
        os.mkdir({package!r})
        open({package!r} + "/__init__.py", "w").close()
sys.addaudithook(come_first)
"""


def test_nothing_is_armed_where_another_run_put_another_package(tmp_path: Path) -> None:
    package = str(tmp_path / PACKAGE)
    finished = inject(tmp_path, code=RIVAL.format(package=package))
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "nothing was injected" in finished.stderr
    assert contents(tmp_path) == {f"{PACKAGE}/__init__.py": b""}


def _truncate(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("damage", [Path.unlink, _truncate], ids=["lost", "empty"])
@pytest.mark.parametrize(
    "name", ["{}/__init__.py", "{}/wandb_hook.py", "_{}.py", "sitecustomize.py", "usercustomize.py"]
)
def test_a_damaged_folder_of_this_version_is_mended(
    name: str, damage: Callable[[Path], None], whole: dict[str, bytes], tmp_path: Path
) -> None:
    """A machine that loses its power may leave files empty, and starts the pod's containers again."""
    damage(injected(tmp_path) / name.format(PACKAGE))
    assert contents(injected(tmp_path)) == whole


def test_bytecode_of_another_build_goes(whole: dict[str, bytes], tmp_path: Path) -> None:
    """It would be believed, whatever the sources say."""
    injected(tmp_path)
    for cache, stem in (("__pycache__", "sitecustomize"), (f"{PACKAGE}/__pycache__", "settings")):
        (tmp_path / cache / f"{stem}.cpython-399.pyc").write_text("old")
    (tmp_path / PACKAGE / "settings.py").write_text("old")
    assert contents(injected(tmp_path)) == whole


STRANGER = """
import os
assert os.getuid() == 12345 and "HOME" not in os.environ
for folder in ("/", "/tmp", "/var/tmp", os.getcwd(), sys.prefix):
    assert not os.access(folder, os.W_OK), folder
"""


def test_a_read_only_container_of_a_user_whom_nobody_knows(
    namespaces: list[str], whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Without a home, and with nothing to write to but a volume."""
    read_only = "for place in / /tmp; do ! mountpoint -q $place || mount -o remount,bind,ro $place; done"
    stranger = 'exec unshare --map-user=12345 --map-group=12345 "$0" "$@"'
    before = [*namespaces, "sh", "-c", f"mount --bind {tmp_path} /mnt && {read_only} && {stranger}"]
    finished = inject("/mnt", before=before, code=STRANGER)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert contents(tmp_path) == whole
