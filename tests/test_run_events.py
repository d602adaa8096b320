"""What a run says of itself: that it began, and how it ended."""

from __future__ import annotations

import os
import signal
import time

import pytest

from .support import versions
from .support.ending import end, told_to_end
from .support.processor import Processor
from .support.scripts import ScriptRunner

INIT = """
import os, sys, time
import wandb
run = wandb.init(id="r")
run.log({"loss": 1.0}, step=7)
"""


@pytest.mark.parametrize(
    ("ending", "said"),
    [
        ("", "finished 0 exit"),
        ("sys.exit()", "finished 0 exit"),
        ("sys.exit(3)", "failed 3 exit"),
        ("sys.exit('bad luck')", "failed 1 exit"),
        ("raise ValueError('mine')", "failed 1 ValueError"),
        ("os.kill(os.getpid(), 2); time.sleep(60)", "failed 130 KeyboardInterrupt"),
        ("run.finish()", "finished 0 finish"),
        ("wandb.finish()", "finished 0 finish"),
        ("run.finish(0)", "finished 0 finish"),
        ("wandb.finish(exit_code=3)", "failed 3 finish"),
        ("run.finish(); run.finish(exit_code=3); sys.exit(4)", "finished 0 finish"),
        ("with run:\n    pass", "finished 0 finish"),
        ("with run:\n    raise ValueError('mine')", "failed 1 finish"),
        ("try:\n    raise ValueError('mine')\nexcept ValueError:\n    run.finish(1)", "failed 1 finish"),
    ],
)
def test_an_end_is_told_as_it_was(
    scripts: ScriptRunner, processor: Processor, ending: str, said: str
) -> None:
    scripts.run(INIT + ending, ok=False)
    assert processor.lives() == {"r": ["started", said]}
