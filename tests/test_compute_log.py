"""The compute metadata in the user's W&B config: only when asked for, and nothing of theirs changed."""

from __future__ import annotations

import json

from .support.processor import Processor
from .support.scripts import ScriptRunner
from .support.twice import QUIET, as_without_us
from .support.wandb_file import find_files

ASKED = {**QUIET, "PRIMUS_LENS_WANDB_LOG_COMPUTE_METADATA": "true", "SLURM_CPUS_PER_TASK": "8"}
SHOW = """
import json
import wandb
run = wandb.init(config={"lr": 0.1, "model": "resnet"})
again = wandb.init()
print(json.dumps(dict(run.config)))
run.finish()
"""


def test_it_is_in_the_config_under_its_own_names_and_one_line_says_so(scripts: ScriptRunner) -> None:
    line, shown = scripts.run(SHOW, environ=ASKED).stdout.splitlines()
    assert line == "✓ Logged compute metadata: 8 CPUs, 0 GPUs"
    config = json.loads(shown)
    assert config["compute.cpu_count"] == 8
    assert config["compute.memory_gb"] > 0
    assert config["system.python_version"].startswith("3.")
    assert config["slurm.cpus_per_task"] == 8
    assert {name: config[name] for name in ("lr", "model")} == {"lr": 0.1, "model": "resnet"}


def test_it_is_recorded_by_wandb_and_told_to_the_processor_under_system(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(SHOW, environ=ASKED)
    (path,) = find_files(scripts.folder)
    assert b"compute.cpu_count" in path.read_bytes()
    (record,) = processor.detections
    assert record["evidence"]["system"]["compute.cpu_count"] == 8
    assert record["evidence"]["system"]["model"] == {}


def test_names_that_the_user_may_choose_stay_free(scripts: ScriptRunner) -> None:
    source = """
        import wandb
        run = wandb.init(config={"batch_size": 32})
        for name in ("system", "slurm", "model", "runtime"):
            run.config.update({name: "mine"})
        run.finish()
    """
    scripts.run(source, environ=ASKED)


def test_without_an_identity_it_is_written_all_the_same(scripts: ScriptRunner) -> None:
    environ = {**ASKED, "WORKLOAD_UID": "", "POD_NAME": ""}
    assert "compute.cpu_count" in scripts.run(SHOW, environ=environ).stdout


def test_a_console_without_the_sign_gets_the_line_without_it(scripts: ScriptRunner) -> None:
    finished = scripts.run(SHOW, environ={**ASKED, "PYTHONIOENCODING": "ascii"})
    assert finished.stdout.startswith("Logged compute metadata: 8 CPUs, 0 GPUs\n")


def test_unless_it_is_asked_for_the_config_is_as_without_us(scripts: ScriptRunner) -> None:
    assert "compute" not in as_without_us(scripts, SHOW).stdout


def test_a_run_that_only_pretends_gets_none(scripts: ScriptRunner) -> None:
    source = 'import wandb\nrun = wandb.init(mode="disabled")\nprint(dict(run.config))\n'
    assert scripts.run(source, environ=ASKED).stdout == "{}\n"
