"""What k8s/README.md says is so."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from primus_lens_wandb_exporter.evidence import build, environment
from primus_lens_wandb_exporter.evidence.compute import slurm, system

from ..support.scripts import REPOSITORY

K8S = REPOSITORY / "k8s"
README = (K8S / "README.md").read_text(encoding="utf-8")
PAGES = [
    K8S / "README.md",
    *K8S.glob("*/README.md"),
    REPOSITORY / "docs/processor.md",
    REPOSITORY / "README.md",
]

# Those of which the record has the value elsewhere than in `environment`.
ELSEWHERE = {
    "the build of the image": " ".join(
        dict.fromkeys(
            name
            for sources in build.SOURCES.values()
            for source in sources
            for name in re.findall(r"{(\w+)}", source.text)
        )
    ),
    "the name of the user": " ".join(system._USER_NAMES),
    "Slurm of old, and submitit": " ".join(
        [
            *sorted(
                {name for names in {**slurm._TEXTS, **slurm._COUNTS}.values() for name in names}
                - environment.ALLOWED
            ),
            "SUBMITIT_JOB_ID",
            "SUBMITIT_LOCAL_JOB_ID",
        ]
    ),
}


def between(mark: str) -> str:
    (table,) = re.findall(rf"<!-- {mark} -->\n(.*?)\n<!-- /{mark} -->", README, re.DOTALL)
    return str(table)


def test_the_variables_that_leave_a_pod_are_those_of_the_code() -> None:
    rows = ["| of | variables |", "|---|---|"]
    for source, names in {**environment.ALLOWED_BY_SOURCE, **ELSEWHERE}.items():
        rows.append(f"| {source} | {', '.join(f'`{name}`' for name in names.split())} |")
    assert between("variables") == "\n".join(rows)


def test_the_hashes_are_those_of_the_files() -> None:
    rows = ["| file | sha256 |", "|---|---|"]
    for path in sorted((REPOSITORY / "sitecustomize").iterdir()):
        if path.is_file():
            rows.append(f"| `{path.name}` | `{sha256(path.read_bytes()).hexdigest()}` |")
    assert between("hashes") == "\n".join(rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            if anchor:
                assert anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """Return what its headings are linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_folder_that_is_to_be_applied_is_one() -> None:
    folders = set(re.findall(r"-k (k8s/[\w/]+)", README))
    assert folders
    for folder in folders:
        assert (REPOSITORY / folder / "kustomization.yaml").is_file()


def test_what_a_pod_may_say_is_what_the_policy_reads() -> None:
    documents = [list(yaml.safe_load_all(file.read_text())) for file in (K8S / "policy").glob("*.yaml")]
    network = yaml.safe_load((K8S / "processor/base/networkpolicy.yaml").read_text())
    known = set(re.findall(r"\bprimus-lens/[a-z-]+", str([*documents, network])))
    (section,) = re.findall(r"### What a pod may say\n(.*?)\n## ", README, re.DOTALL)
    assert set(re.findall(r"`(primus-lens/[a-z-]+): ", section)) == known
