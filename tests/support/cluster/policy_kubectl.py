"""A stand-in for kubectl that gives the answers of a cluster to the commands it knows, word for word."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .admission import Document

# Of `kubectl api-resources --output=name`, where the Kubeflow trainer is installed.
RESOURCES = """\
configmaps
events
pods
podtemplates
replicationcontrollers
secrets
controllerrevisions.apps
deployments.apps
cronjobs.batch
jobs.batch
leases.coordination.k8s.io
pytorchjobs.kubeflow.org
trainjobs.trainer.kubeflow.org
"""
ASKED = (
    "pods,podtemplates,replicationcontrollers,deployments.apps,cronjobs.batch,jobs.batch,"
    "pytorchjobs.kubeflow.org,trainjobs.trainer.kubeflow.org"
)
_SCRIPT = """\
#!{python}
import json, sys

resources, namespaces, error = json.loads({answers!r})
known = {{f"--namespace={{name}}": objects for name, objects in namespaces.items()}}
if sys.argv[1:3] == ["get", "namespaces"]:
    missing = [name for name in sys.argv[3:] if name not in namespaces]
    for name in missing:
        print(f'Error from server (NotFound): namespaces "{{name}}" not found', file=sys.stderr)
    sys.exit(1 if missing else 0)
elif sys.argv[1:] == ["api-resources", "--namespaced", "--verbs=list", "--output=name"]:
    print(resources, end="")
elif sys.argv[1:3] + sys.argv[4:] == ["get", {asked!r}, "--output=json"] and sys.argv[3] in known:
    listed = {{"apiVersion": "v1", "items": known[sys.argv[3]], "kind": "List", "metadata": {{}}}}
    print(json.dumps(listed, indent=4))
    sys.exit(error or 0)
else:
    sys.exit(f"error: unknown command {{sys.argv[1:]}}")
"""


def stand_in(folder: Path, namespaces: Mapping[str, Sequence[Document]], error: str = "") -> None:
    """Put a `kubectl` into a folder: namespaces have these objects, and more where an error says so."""
    answers = json.dumps([RESOURCES, namespaces, error])
    program = folder / "kubectl"
    program.write_text(_SCRIPT.format(python=sys.executable, answers=answers, asked=ASKED))
    program.chmod(0o755)
