"""Whether the work tree is dirty: what we read from files is what git says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.git import changes, content

from .support.git import Repository, look_from, make_repository
from .support.properties import patient

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture(autouse=True)
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MAX_SECONDS", 600.0)
    monkeypatch.setattr(changes, "MAX_CPU_SECONDS", 600.0)


def dirty(repository: Repository) -> bool | None:
    """Return what we say."""
    return look_from(repository.folder).get("dirty")


def change(name: str, text: str) -> Callable[[Repository], None]:
    return lambda repository: repository.write(name, text)


def git(*commands: str) -> Callable[[Repository], None]:
    def run(repository: Repository) -> None:
        for command in commands:
            repository.git(*command.split())

    return run


def set_time(seconds: int) -> Callable[[Repository], None]:
    return lambda repository: os.utime(repository.folder / "train.py", (seconds, seconds))


def replace_by_link(repository: Repository) -> None:
    (repository.folder / "train.py").unlink()
    (repository.folder / "train.py").symlink_to("src/model.py")


def replace_by_folder(repository: Repository) -> None:
    (repository.folder / "train.py").unlink()
    (repository.folder / "train.py").mkdir()


def make_executable(repository: Repository) -> None:
    (repository.folder / "train.py").chmod(0o755)


def ignore_executables(repository: Repository) -> None:
    repository.git("config", "core.fileMode", "false")
    make_executable(repository)


def leave_a_conflict(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "other")
    repository.write("train.py", "other\n")
    repository.commit()
    repository.git("checkout", "-q", "main")
    repository.write("train.py", "mine\n")
    repository.commit()
    with pytest.raises(Exception, match="merge"):
        repository.git("merge", "other")


def add_empty_intention(repository: Repository) -> None:
    repository.write("new.py", "")
    repository.git("add", "--intent-to-add", "new.py")


SITUATIONS: dict[str, Callable[[Repository], None]] = {
    "nothing": git(),
    "an untracked file": change("new.py", "x"),
    "another text": change("train.py", "print(100)\n"),
    "another text of the same length, in the same instant": change("train.py", "print(2)\n"),
    "the same text, written again": change("train.py", "print(1)\n"),
    "another time": set_time(1),
    "a deleted file": lambda repository: (repository.folder / "train.py").unlink(),
    "a deleted folder": lambda repository: shutil.rmtree(repository.folder / "src"),
    "a file become a link": replace_by_link,
    "a file become a folder": replace_by_folder,
    "a file become executable": make_executable,
    "a file become executable where that does not count": ignore_executables,
    "a removal that is staged": git("rm --quiet --cached train.py"),
    "a removal that is taken back": git("rm --quiet --cached train.py", "add train.py"),
    "a move that is staged": git("mv train.py run.py"),
    "a commit taken back, its files staged": git("reset --quiet --soft HEAD~1"),
    "a commit taken back": git("reset --quiet --hard HEAD~1"),
    "a file that git shall not look at": git(
        "update-index --assume-unchanged train.py", "rm -q --cached x"
    ),
    "a conflict": leave_a_conflict,
    "a promised file": add_empty_intention,
    "packed objects": git("gc --quiet"),
    "packed objects and a staged removal": git("gc --quiet", "rm --quiet --cached train.py"),
    "an index of version 4": git("update-index --index-version 4"),
    "a sparse checkout": git("sparse-checkout set --no-cone /train.py"),
    "an index without its trees": git(
        "update-index --force-remove x", "read-tree --empty", "add train.py"
    ),
    "a detached head": git("checkout --quiet --detach"),
}


def add_link_and_second_commit(repository: Repository) -> None:
    """Make a second commit with what the situations need: a link, a long name, names beside folders."""
    (repository.folder / "link").symlink_to("train.py")
    for name in ("src.py", "src-a/x", "src/a/b/c", "é/ü", "n" * 200, "x"):
        repository.write(name, name)
    repository.commit()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_work_tree_is_dirty_where_git_says_so(tmp_path: Path, situation: str) -> None:
    repository = make_repository(tmp_path)
    add_link_and_second_commit(repository)
    SITUATIONS[situation](repository)
    assert dirty(repository) is repository.is_dirty()


@pytest.mark.parametrize("version", ["2", "4"])
def test_a_change_is_seen_in_every_version_of_the_index(tmp_path: Path, version: str) -> None:
    repository = make_repository(tmp_path)
    add_link_and_second_commit(repository)
    repository.git("update-index", "--index-version", version)
    assert dirty(repository) is False
    repository.write("x", "y")
    assert dirty(repository) is True


def test_a_link_that_points_elsewhere_is_a_change(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    add_link_and_second_commit(repository)
    (repository.folder / "link").unlink()
    (repository.folder / "link").symlink_to("src.py")
    assert dirty(repository) is True


def test_a_file_that_git_shall_not_look_at_is_not_looked_at(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("update-index", "--skip-worktree", "train.py")
    repository.write("train.py", "my own")
    assert dirty(repository) is False


def test_times_that_an_archive_rounded_still_agree(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    for path in (repository.folder / "train.py", repository.folder / "src" / "model.py"):
        seconds = int(path.stat().st_mtime)
        os.utime(path, (seconds, seconds))
    assert dirty(repository) is False


def test_a_clean_copy_with_new_times_is_clean(tmp_path: Path) -> None:
    make_repository(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    assert dirty(Repository(tmp_path / "two")) is False


def test_a_commit_packed_as_a_difference_is_read(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    for number in range(30):
        repository.git("commit", "--quiet", "--allow-empty", "-m", f"{number}\n\n" + "the same " * 200)
    repository.git("repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50")
    repository.git("prune-packed")
    for _ in range(31):
        assert dirty(repository) is False
        if repository.git("rev-list", "--count", "HEAD") != "1":
            repository.git("update-ref", "HEAD", "HEAD~1")


def test_a_clone_that_borrows_its_objects_is_read(tmp_path: Path) -> None:
    make_repository(tmp_path / "one").git("clone", "-q", "--shared", ".", str(tmp_path / "two"))
    assert dirty(Repository(tmp_path / "two")) is False


def test_line_endings_alone_tell_nothing(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("config", "core.autocrlf", "true")
    repository.write("train.py", "print(1)\r\n")
    assert dirty(repository) is None
    repository.write("train.py", "print(2)\r\n")
    assert dirty(repository) is True


def test_a_line_ending_across_two_slices_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_SLICE", 3)
    repository = make_repository(tmp_path)
    for text in ("ab\ncd\n\nx", "\n", "abc\n", "\nabc\n"):
        repository.write("train.py", text)
        repository.commit()
        repository.write("train.py", text.replace("\n", "\r\n"))
        assert dirty(repository) is None, text


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("*.bin filter=lfs diff=lfs merge=lfs -text", None),
        ("src/*.bin filter=lfs", None),
        ("[ab].bin ident", None),
        ("** working-tree-encoding=UTF-16", None),
        ("[attr]odd filter=x\n*.bin odd", None),
        ("*.pt filter=lfs", True),
        ("*.bin -filter", True),
        ("# *.bin filter=lfs", True),
        ("* text=auto", True),
        ("", True),
    ],
)
def test_a_file_that_a_filter_may_convert_tells_nothing(
    tmp_path: Path, attributes: str, expected: bool | None
) -> None:
    repository = make_repository(tmp_path)
    repository.write("a.bin", "pointer")
    repository.commit()
    repository.write(".gitattributes", attributes)
    repository.write("a.bin", "content")
    assert dirty(repository) is expected


def test_a_certain_change_counts_beside_an_uncertain_one(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.write("a.bin", "pointer")
    repository.write(".gitattributes", "*.bin filter=lfs")
    repository.commit()
    repository.write("a.bin", "content")
    repository.write("train.py", "changed")
    assert dirty(repository) is True


def test_a_large_file_with_another_time_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "MAX_SIZE", 5)
    repository = make_repository(tmp_path)
    assert dirty(repository) is False
    set_time(1)(repository)
    assert dirty(repository) is None


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_ENTRIES", 1), ("MAX_SECONDS", -1.0), ("MAX_CPU_SECONDS", -1.0)]
)
def test_beyond_its_limits_it_says_nothing_of_dirt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    monkeypatch.setattr(changes, limit, value)
    found = look_from(make_repository(tmp_path).folder)
    assert "dirty" not in found
    assert found["branch"] == "main"


@pytest.mark.parametrize(
    "commands",
    [
        ["update-index --split-index"],
        ["sparse-checkout set --cone --sparse-index src", "rm -r -q --cached src"],
    ],
    ids=["split", "sparse"],
)
def test_an_index_of_a_kind_that_is_not_understood_tells_nothing_wrong(
    tmp_path: Path, commands: list[str]
) -> None:
    repository = make_repository(tmp_path)
    add_link_and_second_commit(repository)
    git(*commands)(repository)
    assert dirty(repository) in (None, repository.is_dirty())


def test_a_commit_that_is_not_there_leaves_the_files_to_speak(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    shutil.rmtree(tmp_path / ".git" / "objects")
    assert dirty(repository) is None
    repository.write("train.py", "changed")
    assert dirty(repository) is True


@given(data=st.data())
@hypothesis_settings(patient, max_examples=100)
def test_a_garbled_repository_raises_nothing(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository = Repository(tmp_path_factory.getbasetemp() / "garbled")
    if not repository.folder.exists():
        make_repository(repository.folder).git("gc", "--quiet")
    packs = sorted((repository.folder / ".git" / "objects" / "pack").iterdir())
    names = ["index", "HEAD", "config", "packed-refs", *(f"objects/pack/{pack.name}" for pack in packs)]
    path = repository.folder / ".git" / data.draw(st.sampled_from(names))
    path.chmod(0o644)
    whole = path.read_bytes()
    begins = data.draw(st.integers(0, len(whole)))
    ends = data.draw(st.integers(begins, min(len(whole), begins + 50)))
    try:
        path.write_bytes(whole[:begins] + data.draw(st.binary(max_size=50)) + whole[ends:])
        assert dirty(repository) in (None, True, False)
    finally:
        path.write_bytes(whole)


STEPS: dict[str, Callable[[Repository, str], object]] = {
    "write": lambda repository, name: repository.write(name, "changed"),
    "write as it was": lambda repository, name: repository.write(name, name),
    "delete": lambda repository, name: (repository.folder / name).unlink(missing_ok=True),
    "add": lambda repository, name: repository.git("add", "--all"),
    "add one": lambda repository, name: (
        (repository.folder / name).exists() and repository.git("add", name)
    ),
    "forget": lambda repository, name: repository.git("rm", "-q", "--cached", "--ignore-unmatch", name),
    "commit": lambda repository, name: repository.commit(),
    "step back": lambda repository, name: repository.git("reset", "-q", "--mixed", "HEAD~0"),
    "pack": lambda repository, name: repository.git("repack", "-q", "-a", "-d"),
    "restore": lambda repository, name: repository.git("reset", "-q", "--hard"),
    "version 4": lambda repository, name: repository.git("update-index", "--index-version", "4"),
}


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.sampled_from(["a", "b/c", "b/d/e", "b.x"])),
        max_size=6,
    )
)
@hypothesis_settings(patient, max_examples=25)
def test_after_any_steps_we_agree_with_git(
    steps: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    repository = make_repository(tmp_path_factory.mktemp("r"))
    for step, name in steps:
        STEPS[step](repository, name)
        assert dirty(repository) is repository.is_dirty()
