"""`python -m primus_lens_wandb_exporter`: the command line, for an interpreter of your choice."""

import sys

from .cli import main

sys.exit(main())
