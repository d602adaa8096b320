"""`python -m primus_lens_wandb_exporter`: the command line, for an interpreter of your choice."""

import sys

if sys.version_info < (3, 9):  # noqa: UP036 - an injected folder is on the path of any
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"primus-lens-wandb: from Python {version} nothing is sent: it takes 3.9 or newer")

from .cli import main

sys.exit(main())
