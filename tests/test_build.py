"""How the image was built: what each CI system says of itself, and what is no such thing."""

from __future__ import annotations

import pytest

from primus_lens_wandb_exporter.evidence import Probe, build
from primus_lens_wandb_exporter.evidence.redaction import looks_secret

COMMIT = "0123456789abcdef" * 2 + "01234567"
OTHER = "f" * 40


def collect(**environ: str) -> dict[str, str]:
    return build.collect(Probe(environ=environ))


GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "team/repo",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_SHA": COMMIT,
    "GITHUB_REF_NAME": "main",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_HEAD_REF": "",
}
GITLAB = {
    "CI_JOB_URL": "https://gitlab.example.com/team/repo/-/jobs/7",
    "CI_PIPELINE_URL": "https://gitlab.example.com/team/repo/-/pipelines/5",
    "CI_PIPELINE_ID": "5",
    "CI_COMMIT_SHA": COMMIT,
    "CI_COMMIT_BRANCH": "main",
    "CI_PROJECT_URL": "https://gitlab.example.com/team/repo",
    "CI_REPOSITORY_URL": "https://gitlab-ci-token:hunter2@gitlab.example.com/team/repo.git",
    "CI_JOB_TOKEN": "hunter2",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example.com/",
    "BUILD_URL": "https://user:hunter2@jenkins.example.com/job/train/15/",
    "BUILD_TAG": "jenkins-train-15",
    "GIT_COMMIT": COMMIT,
    "GIT_BRANCH": "origin/main",
    "GIT_URL": "https://hunter2@example.com/team/repo.git",
}


def test_an_environment_without_ci_says_nothing() -> None:
    assert collect() == {}
    assert collect(PATH="/bin", CI="true", BUILD_DATE="  ") == {}


def test_github_actions_is_read() -> None:
    assert collect(**GITHUB) == {
        "build_url": "https://github.com/team/repo/actions/runs/1658821493",
        "git_commit": COMMIT,
        "git_branch": "main",
        "git_repo": "https://github.com/team/repo",
        "ci_pipeline_id": "1658821493",
    }


def test_gitlab_ci_is_read() -> None:
    assert collect(**GITLAB) == {
        "build_url": "https://gitlab.example.com/team/repo/-/jobs/7",
        "git_commit": COMMIT,
        "git_branch": "main",
        "git_repo": "https://gitlab.example.com/team/repo",
        "ci_pipeline_id": "5",
    }


def test_jenkins_is_read() -> None:
    assert collect(**JENKINS) == {
        "build_url": "https://jenkins.example.com/job/train/15/",
        "git_commit": COMMIT,
        "git_branch": "main",
        "git_repo": "https://example.com/team/repo.git",
        "ci_pipeline_id": "jenkins-train-15",
    }


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({**GITHUB, "GITHUB_HEAD_REF": "feature", "GITHUB_REF_NAME": "12/merge"}, "feature"),
        ({**GITHUB, "GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v1"}, None),
        (
            {**GITLAB, "CI_COMMIT_BRANCH": "", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature"},
            "feature",
        ),
        ({**JENKINS, "BRANCH_NAME": "PR-24", "CHANGE_BRANCH": "feature"}, "feature"),
        ({**JENKINS, "BRANCH_NAME": "release/1"}, "release/1"),
        ({"BRANCH_NAME": "anything"}, None),
    ],
)
def test_a_branch_is_the_one_with_the_change(environ: dict[str, str], branch: str | None) -> None:
    assert collect(**environ).get("git_branch") == branch


def test_variables_of_jenkins_mean_nothing_elsewhere() -> None:
    assert collect(BUILD_URL="https://example.com/x", BUILD_TAG="v1", BRANCH_NAME="b") == {}


def test_what_a_dockerfile_leaves_is_read() -> None:
    assert collect(
        IMAGE_TAG="registry.example.com/train:1.2",
        BUILD_DATE="2025-01-31T12:00:00Z",
        DOCKERFILE_URL="https://token@example.com/Dockerfile?ref=main",
        VCS_REF="0123abc",
        VCS_URL="git@example.com:team/repo",
    ) == {
        "image_tag": "registry.example.com/train:1.2",
        "build_date": "2025-01-31T12:00:00Z",
        "dockerfile_url": "https://example.com/Dockerfile",
        "git_commit": "0123abc",
        "git_repo": "git@example.com:team/repo",
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GIT_COMMIT", "HEAD"),
        ("GIT_COMMIT", "$(git rev-parse HEAD)"),
        ("GIT_SHA", "hf_" + "a" * 34),
        ("GIT_REPO", "/home/alice/repo"),
        ("IMAGE_TAG", "x" * 2000),
    ],
)
def test_a_value_of_another_kind_is_left_out(name: str, value: str) -> None:
    assert collect(**{name: value}) == {}


def test_a_value_that_looks_like_a_credential_is_hidden() -> None:
    assert collect(IMAGE_TAG="ghp_" + "c" * 36) == {"image_tag": "[redacted]"}
    assert collect(BUILD_DATE=COMMIT) == {"build_date": "[redacted]"}


def test_no_variable_that_is_read_is_the_name_of_a_secret() -> None:
    assert not [name for name in build._NAMES if looks_secret(name)]


GIT = {"commit": OTHER, "branch": "here", "remote": "https://example.com/here", "dirty": True}


def test_git_speaks_where_the_environment_names_no_commit() -> None:
    merged = build.merge({"build_date": "today", "git_branch": "baked"}, GIT)
    assert merged == {
        "build_date": "today",
        "git_commit": OTHER,
        "git_branch": "here",
        "git_repo": "https://example.com/here",
    }


def test_git_completes_what_the_environment_says_of_the_same_commit() -> None:
    merged = build.merge({"git_commit": OTHER[:8], "git_branch": "baked"}, GIT)
    assert merged == {
        "git_commit": OTHER[:8],
        "git_branch": "baked",
        "git_repo": "https://example.com/here",
    }


def test_git_says_nothing_of_another_commit() -> None:
    assert build.merge({"git_commit": COMMIT}, GIT) == {"git_commit": COMMIT}
    assert build.merge({}, {}) == {}
