"""No framework is imported, and none that is loaded is touched."""

from __future__ import annotations

from pathlib import Path

from .support.processor import Processor
from .support.scripts import ScriptRunner

FRAMEWORKS = """
    torch deepspeed megatron transformers jax jaxlib flax tensorflow keras lightning pytorch_lightning
    accelerate primus peft trl nemo composer torchtune ray verl amdsmi pynvml rocm_smi cupy omegaconf
""".split()

# Notes in a file who imported it, and who asked it for what it does not have.
TRIPWIRE = """
import os
import threading
import traceback

__version__ = "9.8.7"

def _trip(what):
    stack = [frame.filename.replace(os.sep, "/") for frame in traceback.extract_stack()]
    ours = any("/primus_lens_wandb_exporter/" in name for name in stack)
    with open(os.environ["TRIPWIRES"], "a") as file:
        thread = threading.current_thread().name.split()[0]
        file.write(f"{'OURS' if ours else 'other'} {thread} {__name__} {what}\\n")

def __getattr__(name):
    _trip(name)
    raise AttributeError(name) if name.startswith("__") else RuntimeError("lazy " + name)

_trip("import")
"""

WHOLE_RUN = """
import wandb
for _ in range(2):
    run = wandb.init(config={"model": "m"})
    run.log({"loss": 1.5, "text": "t", "none": None})
    run.finish()
"""


def lay_tripwires(scripts: ScriptRunner) -> Path:
    folder = scripts.folder / "frameworks"
    folder.mkdir()
    for name in FRAMEWORKS:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(TRIPWIRE)
    scripts.environ["TRIPWIRES"] = str(scripts.folder / "tripped.txt")
    return folder


def tripped(scripts: ScriptRunner) -> list[str]:
    path = Path(scripts.environ["TRIPWIRES"])
    return path.read_text().splitlines() if path.exists() else []


def test_no_framework_is_imported(scripts: ScriptRunner, processor: Processor) -> None:
    folder = lay_tripwires(scripts)
    scripts.run(WHOLE_RUN, pythonpath=[folder], environ={"PRIMUS_LENS_WANDB_ENHANCE_METRICS": "true"})
    assert [line for line in tripped(scripts) if line.startswith("OURS")] == []
    assert processor.detections[0]["hints"]["possible_frameworks"] == []
    assert len(processor.detections) == 2


def test_a_loaded_framework_is_named_by_its_version_and_not_touched(
    scripts: ScriptRunner, processor: Processor
) -> None:
    folder = lay_tripwires(scripts)
    scripts.run("\n".join(f"import {name}" for name in FRAMEWORKS) + WHOLE_RUN, pythonpath=[folder])
    lines = tripped(scripts)
    by_the_script = {f"other MainThread {name} import" for name in FRAMEWORKS}
    assert {line for line in lines if "MainThread" in line and line.endswith(" import")} == by_the_script
    assert [line for line in lines if line.startswith("OURS")] == []
    for body in processor.detections:
        evidence = body["evidence"]
        assert evidence["pytorch"]["version"] == "9.8.7"
        assert evidence["pytorch"]["cuda_available"] is False
        for name in ("deepspeed", "megatron", "jax"):
            assert evidence["base_frameworks"][name] == {"detected": True, "version": "9.8.7"}
        assert body["hints"]["confidence"] == "high"
    assert len(processor.detections) == 2


def test_the_library_for_gpus_is_loaded_by_our_own_thread_where_there_is_a_driver(
    scripts: ScriptRunner, processor: Processor
) -> None:
    folder = lay_tripwires(scripts)
    (scripts.folder / "root/proc/driver/nvidia").mkdir(parents=True)
    (scripts.folder / "root/proc/driver/nvidia/version").write_text("NVRM version: 570.1\n")
    elsewhere = f"""
import wandb
from primus_lens_wandb_exporter.exporter import get_exporter
vars(get_exporter().collector.probe)["root"] = {str(scripts.folder / "root")!r}
"""
    # The tripwire is no NVML and raises, which costs the inventory and nothing else.
    scripts.run(
        elsewhere + WHOLE_RUN + "import sys; assert 'pynvml' not in sys.modules", pythonpath=[folder]
    )
    ours = [line.split() for line in tripped(scripts) if line.startswith("OURS")]
    assert {name.rpartition(".")[2] for _, _, name, *_ in ours} == {"pynvml"}
    assert {thread for _, thread, *_ in ours} == {"primus-lens-gpu"}
    assert [what for *_, what in ours].count("import") >= 1
    assert len(processor.detections) == 2
    assert processor.series("loss") == [(0, 1.5), (0, 1.5)]
