"""Commit, branch and remote of real repositories, and of the files that git would read."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence import Probe, git
from primus_lens_wandb_exporter.evidence.git import refs
from primus_lens_wandb_exporter.evidence.git.config import Config
from primus_lens_wandb_exporter.evidence.git.remote import find_remote

from .support.git import Repository, look_from, make_repository
from .support.properties import patient

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def head(repository: Repository) -> str:
    return repository.git("rev-parse", "HEAD")


def test_outside_of_a_work_tree_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert look_from(tmp_path) == {}
    assert look_from("") == {}
    assert look_from(tmp_path / "gone") == {}


def test_a_clean_clone_says_all(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("remote", "add", "origin", "https://user:hunter2@example.com/team/repo.git")
    assert look_from(tmp_path) == {
        "commit": head(repository),
        "branch": "main",
        "remote": "https://example.com/team/repo.git",
        "dirty": False,
    }


def test_the_script_counts_before_the_current_directory(tmp_path: Path) -> None:
    one, other = make_repository(tmp_path / "one"), make_repository(tmp_path / "other", "--quiet")
    other.git("checkout", "-q", "-b", "elsewhere")
    script = one.folder / "src" / "model.py"
    assert look_from(other.folder, script)["branch"] == "main"
    assert look_from(other.folder, Path("train.py"))["branch"] == "elsewhere"
    assert look_from(other.folder, tmp_path / "script.py")["branch"] == "elsewhere"
    assert look_from("", script)["branch"] == "main"
    assert look_from("", Path("train.py")) == {}


def test_a_process_in_a_deleted_folder_finds_nothing_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    assert git.collect(Probe(environ={}, modules={})) == {}


def test_below_another_root_only_its_files_count(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "workspace" / "repo")
    probe = Probe(
        environ={}, modules={}, root=str(tmp_path), working_folder=lambda: "/workspace/repo/src"
    )
    assert git.collect(probe) == {"commit": head(repository), "branch": "main", "dirty": False}


def test_a_detached_head_has_no_branch(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("checkout", "--quiet", "--detach")
    assert look_from(tmp_path) == {"commit": head(repository), "dirty": False}


def test_a_repository_without_a_commit_has_a_branch(tmp_path: Path) -> None:
    Repository(tmp_path).git("init", "--quiet", "--initial-branch=first/of all".replace(" ", "-"))
    assert look_from(tmp_path) == {"branch": "first/of-all"}


def test_packed_refs_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = make_repository(tmp_path)
    for number in range(40):
        repository.git("tag", "-a", "-m", "why", f"tag-{number}")
    repository.git("pack-refs", "--all")
    assert not (tmp_path / ".git" / "refs" / "heads" / "main").exists()
    for chunk in (1 << 16, 100, 7):
        monkeypatch.setattr(refs, "_CHUNK", chunk)
        assert look_from(tmp_path)["commit"] == head(repository)


def test_a_loose_ref_counts_before_a_packed_one(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("pack-refs", "--all")
    commit = repository.commit()
    assert look_from(tmp_path)["commit"] == commit


def test_symbolic_refs_are_followed_and_circles_left(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.git("symbolic-ref", "refs/heads/alias", "refs/heads/main")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/alias\n")
    assert look_from(tmp_path)["commit"] == head(repository)
    (tmp_path / ".git" / "refs" / "heads" / "main").write_text("ref: refs/heads/alias\n")
    assert look_from(tmp_path) == {"branch": "alias"}


@pytest.mark.parametrize(
    "text",
    ["", "\n", "ref:", "ref: ../../../etc/hostname", "ref: refs/../../x", "ref: refs/\0", "0" * 41],
)
def test_a_head_that_is_none_gives_no_commit(tmp_path: Path, text: str) -> None:
    make_repository(tmp_path)
    (tmp_path / ".git" / "HEAD").write_text(text)
    assert "commit" not in look_from(tmp_path)


def test_a_linked_worktree_has_its_own_head_and_index(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "one")
    repository.git("remote", "add", "origin", "git@example.com:team/repo.git")
    repository.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "two"))
    linked = Repository(tmp_path / "two")
    commit = linked.commit()
    repository.write("train.py", "changed")
    assert look_from(linked.folder / "src") == {
        "commit": commit,
        "branch": "other",
        "remote": "git@example.com:team/repo.git",
        "dirty": False,
    }


def test_a_worktree_of_a_bare_repository_has_files_to_be_dirty(tmp_path: Path) -> None:
    make_repository(tmp_path / "one").git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    Repository(tmp_path / "bare.git").git("worktree", "add", "-q", str(tmp_path / "two"))
    assert look_from(tmp_path / "two")["dirty"] is False
    (tmp_path / "two" / "train.py").unlink()
    assert look_from(tmp_path / "two")["dirty"] is True


def test_a_submodule_speaks_for_itself(tmp_path: Path) -> None:
    library = make_repository(tmp_path / "library")
    repository = make_repository(tmp_path / "repo")
    repository.git("submodule", "--quiet", "add", "../library", "third_party/library")
    repository.commit()
    repository.write("train.py", "changed")
    found = look_from(repository.folder, repository.folder / "third_party" / "library" / "train.py")
    assert found == {"commit": head(library), "branch": "main", "dirty": False}
    assert look_from(repository.folder)["dirty"] is True


def test_a_folder_that_the_environment_names_counts_first(tmp_path: Path) -> None:
    repository, other = make_repository(tmp_path / "one"), make_repository(tmp_path / "two")
    other.commit()
    found = look_from(
        other.folder, GIT_DIR=str(repository.folder / ".git"), GIT_WORK_TREE=str(repository.folder)
    )
    assert found == {"commit": head(repository), "branch": "main", "dirty": False}
    assert look_from(tmp_path, GIT_DIR="one/.git")["dirty"] is True  # this folder lacks its files


def test_a_bare_repository_has_no_files_to_be_dirty(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "one")
    repository.git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    found = look_from(tmp_path, GIT_DIR=str(tmp_path / "bare.git"))
    assert found == {"commit": head(repository), "branch": "main"}


def test_a_repository_of_sha_256_has_longer_commits(tmp_path: Path) -> None:
    repository = make_repository(tmp_path, "--object-format=sha256")
    assert look_from(tmp_path) == {"commit": head(repository), "branch": "main"}
    assert len(head(repository)) == 64


def test_refs_in_a_table_are_unknown(tmp_path: Path) -> None:
    """As `git init --ref-format=reftable` of later releases leaves it."""
    repository = make_repository(tmp_path)
    repository.git("remote", "add", "origin", "https://example.com/r")
    shutil.rmtree(tmp_path / ".git" / "refs")
    (tmp_path / ".git" / "refs").mkdir()
    (tmp_path / ".git" / "refs" / "heads").write_text("this repository uses the reftable format\n")
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/.invalid\n")
    assert look_from(tmp_path) == {"remote": "https://example.com/r"}


def test_a_repository_is_left_as_it_was(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)
    repository.write("train.py", "print(1)\n")

    def state() -> dict[str, tuple[int, int]]:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}

    before = state()
    look_from(tmp_path)
    assert state() == before


REMOTES = {
    "a": "https://token@example.com/a",
    "origin": "ssh://git@example.com/origin",
    "mine": "https://u:p@example.com/mine",
    "local": "/home/alice/repo.git",
}


@pytest.mark.parametrize(
    ("remotes", "upstream", "found"),
    [
        ("a origin mine", "mine", "https://example.com/mine"),
        ("a origin mine", "", "ssh://git@example.com/origin"),
        ("a mine", "", "https://example.com/a"),
        ("mine a", "gone", "https://example.com/mine"),
        ("local a", "local", "https://example.com/a"),
        ("a", ".", "https://example.com/a"),
        ("local", "local", ""),
        ("", "", ""),
    ],
)
def test_the_branch_says_which_remote(remotes: str, upstream: str, found: str) -> None:
    text = f'[branch "main"]\nremote = {upstream}\n' if upstream else ""
    text += "".join(f'[remote "{name}"]\n\turl = {REMOTES[name]}\n' for name in remotes.split())
    assert find_remote(Config(text), "main") == found


def values_by_git(repository: Repository, text: str) -> dict[tuple[str, str, str], list[str]]:
    (repository.folder / "config").write_bytes(text.encode())
    values: dict[tuple[str, str, str], list[str]] = {}
    for line in repository.git("config", "--file", "config", "--list", "-z").split("\0")[:-1]:
        full_name, has_value, value = line.partition("\n")
        section, _, rest = full_name.partition(".")
        subsection, _, name = rest.rpartition(".")
        values.setdefault((section, subsection, name), []).append(value if has_value else "true")
    return values


CONFIGS = [
    "# comment\n; another\n[core]\n\tbare = false ; no\n\tFileMode\n[core] bare = true\n",
    '[Remote "o\\"r\\\\i"] url = a#b\nurl = "a#b;c" d  # e\n',
    '[branch.Main]\n  merge = a \\\n b\n x-y = "a\\tb\\n\\"c\\"\\\\"\n',
    '[a]\nempty =\nquoted = "  a  "  \n  spaces  =   a   b  \r\nlast = "a" " b " c "" ',
]


@pytest.mark.parametrize("text", CONFIGS)
def test_a_config_is_read_as_git_reads_it(tmp_path: Path, text: str) -> None:
    assert Config(text)._values == values_by_git(Repository(tmp_path), text)


pieces = st.sampled_from(
    ["[a]", '[a "B"]', '[a "\\""]', "\n", "\n", "\nx = ", "\ny=", "\nz", "a", "b", " ", '"', '"']
    + ["\\n", '\\"', "\\\\", "\\\n", "#", ";", "=", "\r\n", "é"]
)


@given(text=st.lists(pieces, max_size=15).map(lambda found: "[a]\nx=" + "".join(found)))
@hypothesis_settings(patient, max_examples=200)
def test_whatever_git_accepts_is_read_as_git_reads_it(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        expected = values_by_git(Repository(tmp_path_factory.getbasetemp()), text)
    except subprocess.CalledProcessError:
        return
    assert Config(text)._values == expected


@given(text=st.text(alphabet='[]"\\=#; \n\tab.-', max_size=60))
@hypothesis_settings(patient, max_examples=300)
def test_any_text_is_a_config(text: str) -> None:
    config = Config(text)
    assert isinstance(find_remote(config, "main"), str)


def test_a_walk_ends_at_another_file_system(tmp_path: Path) -> None:
    repository = make_repository(tmp_path)

    class Mounted(Probe):
        def lstat(self, path: str) -> os.stat_result | None:
            found = super().lstat(path)
            if found is None or not path.rstrip("/").endswith("src"):
                return found
            return os.stat_result((*found[:2], found.st_dev + 1, *found[3:]))

    folder = str(repository.folder / "src")
    assert git.collect(Probe(environ={}, modules={}, working_folder=lambda: folder))
    assert git.collect(Mounted(environ={}, modules={}, working_folder=lambda: folder)) == {}
