"""How the image was built, from what CI systems and image builders leave in the environment.

Sources: "Variables reference" of GitHub Actions, "Predefined CI/CD variables reference" of GitLab, the
page `env-vars.html` of Jenkins and its git plugin, what OpenShift builds set in their images; the rest
is what Dockerfiles commonly set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .addresses import strip_credentials
from .probe import Probe
from .redaction import hide_credentials


class Source(NamedTuple):
    """A text with variables in braces, and what must be set (`NAME` or `NAME=value`) for it to count."""

    text: str
    only_with: str = ""


SOURCES: dict[str, tuple[Source, ...]] = {
    "build_url": (
        Source("{CI_JOB_URL}"),
        Source("{CI_PIPELINE_URL}"),
        Source("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}"),
        Source("{BUILD_URL}", only_with="JENKINS_URL"),
    ),
    "dockerfile_url": (Source("{DOCKERFILE_URL}"),),
    "image_tag": (
        Source("{IMAGE_TAG}"),
        Source("{DOCKER_IMAGE_TAG}"),
        Source("{CONTAINER_IMAGE_TAG}"),
        Source("{CONTAINER_IMAGE}"),
        Source("{DOCKER_IMAGE}"),
    ),
    "build_date": (Source("{BUILD_DATE}"), Source("{IMAGE_BUILD_DATE}"), Source("{IMAGE_CREATED}")),
    "git_commit": (
        Source("{CI_COMMIT_SHA}"),
        Source("{GITHUB_SHA}"),
        Source("{GIT_COMMIT}"),
        Source("{GIT_SHA}"),
        Source("{GIT_HASH}"),
        Source("{VCS_REF}"),
        Source("{OPENSHIFT_BUILD_COMMIT}"),
    ),
    "git_branch": (
        Source("{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}"),
        Source("{CI_COMMIT_BRANCH}"),
        Source("{GITHUB_HEAD_REF}"),
        Source("{GITHUB_REF_NAME}", only_with="GITHUB_REF_TYPE=branch"),
        Source("{CHANGE_BRANCH}", only_with="JENKINS_URL"),
        Source("{BRANCH_NAME}", only_with="JENKINS_URL"),
        Source("{GIT_LOCAL_BRANCH}"),
        Source("{GIT_BRANCH}"),
    ),
    "git_repo": (
        Source("{CI_PROJECT_URL}"),
        Source("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}"),
        Source("{GIT_URL}"),
        Source("{GIT_REPO}"),
        Source("{VCS_URL}"),
        Source("{OPENSHIFT_BUILD_SOURCE}"),
    ),
    "ci_pipeline_id": (
        Source("{CI_PIPELINE_ID}"),
        Source("{GITHUB_RUN_ID}"),
        Source("{BUILD_TAG}", only_with="JENKINS_URL"),
    ),
}
_OF_GIT = {"git_commit": "commit", "git_branch": "branch", "git_repo": "remote"}

_VARIABLE = re.compile(r"\{(\w+)\}")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_LONGEST = 1024  # characters


def collect(probe: Probe) -> dict[str, str]:
    """Return what the environment says of the build; what it does not say is left out."""
    environ = {name: probe.environ.get(name, "").strip() for name in _NAMES}
    found = {
        field: next(filter(None, (_read(field, source, environ) for source in sources)), "")
        for field, sources in SOURCES.items()
    }
    return {field: value for field, value in found.items() if value}


def merge(build: Mapping[str, str], git: Mapping[str, Any]) -> dict[str, str]:
    """Return the build, with git's commit, branch and remote if the environment names no other commit.

    The branch of one commit says nothing of another.

    Args:
        build: what `collect` returned.
        git: what `git.collect` returned.
    """
    ours = {field: str(git[name]) for field, name in _OF_GIT.items() if git.get(name)}
    commit = build.get("git_commit")
    if commit is None:
        return {**build, **ours}
    if ours.get("git_commit", "").startswith(commit):
        return {**ours, **build}
    return dict(build)


def _names(text: str) -> list[str]:
    return _VARIABLE.findall(text)


_NAMES = frozenset(
    name
    for sources in SOURCES.values()
    for source in sources
    for name in (*_names(source.text), source.only_with.partition("=")[0])
    if name
)


def _read(field: str, source: Source, environ: Mapping[str, str]) -> str:
    """Return a source's value, empty where it does not apply, is no such thing, or is too long."""
    name, _, value = source.only_with.partition("=")
    if name and (environ[name] != value if value else not environ[name]):
        return ""
    if not all(environ[needed] for needed in _names(source.text)):
        return ""
    text = _VARIABLE.sub(lambda found: environ[found[1]], source.text)
    if len(text) > _LONGEST:
        return ""
    if field.endswith(("_url", "_repo")):
        return strip_credentials(text)
    if field == "git_commit":
        return text if _COMMIT.fullmatch(text) else ""
    if field == "git_branch":  # Jenkins has it with the remote's name
        text = text.removeprefix("origin/")
    return hide_credentials(text)
