"""Write into bases.env the digest that each base has in its registry now.

    python3 k8s/images/pin_bases.py [FILE]

By skopeo, crane or docker buildx, whichever is found first. Look at what has changed, and commit it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

BASES = Path(__file__).resolve().with_name("bases.env")
BASE = re.compile(r"^(\w+)=([^@\s]+)(?:@\S*)?$", re.MULTILINE)
# The first prints the index itself, the others its digest.
COMMANDS = {
    "skopeo": ["inspect", "--raw", "docker://{}"],
    "crane": ["digest", "{}"],
    "docker": ["buildx", "imagetools", "inspect", "--format", "{{{{.Manifest.Digest}}}}", "{}"],
}


def main() -> None:
    """Ask for all, then write all.

    Raises:
        SystemExit: the file cannot be read or written, there is nothing to ask with, or no answer.
    """
    file = Path(*sys.argv[1:2] or [BASES])
    try:
        text = BASE.sub(lambda base: f"{base[1]}={base[2]}@{find_digest(base[2])}", file.read_text())
        file.write_text(text)
    except OSError as error:
        raise SystemExit(f"{file}: {error.strerror}") from None
    print(text, end="")


def find_digest(image: str) -> str:
    """Return the digest of an image's index, as `sha256:` and 64 hex digits.

    Raises:
        SystemExit: there is nothing to ask with, or no answer.
    """
    tool = next(filter(shutil.which, COMMANDS), None)
    if tool is None:
        raise SystemExit(f"found none of {', '.join(COMMANDS)}: install one, or fill in the digests")
    command = [tool, *(part.format(image) for part in COMMANDS[tool])]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    told = done.stdout
    digest = f"sha256:{sha256(told).hexdigest()}" if tool == "skopeo" else told.decode().strip()
    if done.returncode or not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise SystemExit(f"failed: {' '.join(command)}")
    return digest


if __name__ == "__main__":
    main()
