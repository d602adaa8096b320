"""The doctor: exit status 0 only when data would arrive, and the reason when it would not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from werkzeug import Response

from primus_lens_wandb_exporter.delivery.envelope import Envelope
from primus_lens_wandb_exporter.delivery.spool import Spool

from .support.processor import Processor
from .support.scripts import HOOK_FOLDER, ScriptRunner

pytest.importorskip("wandb")


class Examined:
    def __init__(self, finished: subprocess.CompletedProcess[str]) -> None:
        self.healthy = finished.returncode == 0
        self.text = finished.stdout
        assert finished.stderr == ""
        assert ("Data would arrive." in self.text) == self.healthy

    def failures(self) -> list[str]:
        return [line.split()[1] for line in self.text.splitlines() if line.startswith("FAIL")]


def examine(scripts: ScriptRunner, *options: str, hooked: bool = True, **environ: str) -> Examined:
    path = [str(HOOK_FOLDER)] if hooked else []
    repository = str(HOOK_FOLDER.parent)
    code = (
        f"import sys; sys.path.append({repository!r});"
        "from primus_lens_wandb_exporter.cli import main; sys.exit(main(['doctor']))"
    )
    finished = subprocess.run(
        [sys.executable, *options, "-c", code],
        env={**scripts.environ, "PYTHONPATH": os.pathsep.join(path), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=scripts.folder,
    )
    return Examined(finished)


def test_all_is_well(scripts: ScriptRunner, processor: Processor) -> None:
    examined = examine(scripts)
    assert examined.failures() == []
    assert examined.healthy
    (body,) = processor.bodies("metrics")
    assert body["metrics"] == []  # asks, and leaves no trace in anybody's metrics


def test_the_switch_is_off(scripts: ScriptRunner) -> None:
    examined = examine(scripts, PRIMUS_LENS_WANDB_HOOK="false")
    assert examined.failures() == ["hook"]
    assert "switched off by PRIMUS_LENS_WANDB_HOOK=false" in examined.text


def test_python_ignores_pythonpath(scripts: ScriptRunner) -> None:
    examined = examine(scripts, "-E", PRIMUS_LENS_WANDB_HOOK="true")
    if examined.healthy:
        pytest.skip("the package is installed here as well")
    assert "-I or -E" in examined.text


def test_python_reads_no_site(scripts: ScriptRunner) -> None:
    site_packages = str(Path(pytest.__file__).parents[1])
    code = (
        f"import sys; sys.path += [{str(HOOK_FOLDER.parent)!r}, {site_packages!r}];"
        "from primus_lens_wandb_exporter.cli import main; sys.exit(main(['doctor']))"
    )
    finished = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**scripts.environ, "PYTHONPATH": str(HOOK_FOLDER)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    examined = Examined(finished)
    assert examined.failures() == ["hook"]
    assert "-S" in examined.text


def test_another_sitecustomize_comes_first(scripts: ScriptRunner, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "sitecustomize.py").write_text("")
    examined = examine(scripts, PYTHONPATH=f"{other}{os.pathsep}{HOOK_FOLDER}")
    if examined.healthy:
        pytest.skip("the package is installed here as well")
    assert examined.failures() == ["hook"]
    assert "another sitecustomize" in examined.text


def test_nobody_knows_whose_data_it_is(scripts: ScriptRunner) -> None:
    examined = examine(scripts, WORKLOAD_UID="", POD_NAME="")
    assert examined.failures() == ["identity"]
    assert "neither WORKLOAD_UID nor POD_NAME" in examined.text


def test_reporting_is_off(scripts: ScriptRunner) -> None:
    assert examine(scripts, PRIMUS_LENS_WANDB_API_REPORTING="false").failures() == ["endpoint"]


def test_nothing_listens(scripts: ScriptRunner) -> None:
    examined = examine(scripts, PRIMUS_LENS_API_BASE_URL="http://127.0.0.1:9/api/v1")
    assert examined.failures() == ["endpoint"]
    assert "refused" in examined.text


@pytest.mark.parametrize(
    ("status", "answer", "advice"),
    [
        (401, "", "TOKEN"),
        (404, "", "usually ends in /api/v1"),
        (400, '{"error":"no valid workload found"}', "does not know this pod yet"),
        (500, "boom", "500 boom"),
    ],
)
def test_the_processor_refuses(
    scripts: ScriptRunner, processor: Processor, status: int, answer: str, advice: str
) -> None:
    processor.answer = lambda request: Response(answer, status=status)
    examined = examine(scripts)
    assert examined.failures() == ["endpoint"]
    assert advice in examined.text


def test_a_bad_setting_is_named_with_what_is_used_instead(scripts: ScriptRunner) -> None:
    examined = examine(scripts, PRIMUS_LENS_WANDB_BATCH_SIZE="many")
    assert examined.healthy
    assert "PRIMUS_LENS_WANDB_BATCH_SIZE='many'" in examined.text
    assert "using 10" in examined.text


def test_secrets_are_not_shown(scripts: ScriptRunner) -> None:
    examined = examine(
        scripts,
        PRIMUS_LENS_WANDB_TOKEN="hunter2-token",
        PRIMUS_LENS_WANDB_HEADERS="X-Key=hunter2-header",
        PRIMUS_LENS_WANDB_PROXY="http://user:hunter2-proxy@127.0.0.1:9",
        PRIMUS_LENS_API_BASE_URL="http://user:hunter2-url@127.0.0.1:9/api/v1",
    )
    assert "hunter2" not in examined.text
    assert examined.text.count("(set, not shown)") == 3


@pytest.mark.parametrize(
    ("held", "seen"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\n", "is empty"),
        (b"\xff", "cannot be read: it is no UTF-8"),
        (b"secret", ""),
    ],
)
def test_a_token_file_that_gives_no_token_is_named(
    scripts: ScriptRunner, tmp_path: Path, held: bytes | None, seen: str
) -> None:
    path = tmp_path / "token"
    if held is not None:
        path.write_bytes(held)
    examined = examine(scripts, PRIMUS_LENS_WANDB_TOKEN_FILE=str(path))
    assert examined.healthy  # the processor asks for none
    assert "secret" not in examined.text
    assert (f"warning: {path} {seen}" in examined.text) == bool(seen)


def test_an_output_folder_that_cannot_be_written(scripts: ScriptRunner, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    examined = examine(scripts, PRIMUS_LENS_WANDB_OUTPUT_PATH=str(file / "folder"))
    assert examined.failures() == ["files"]
    assert examine(scripts, PRIMUS_LENS_WANDB_OUTPUT_PATH=str(tmp_path / "new")).healthy


def test_bodies_in_the_spool_are_counted(scripts: ScriptRunner, tmp_path: Path) -> None:
    spool = Spool(str(tmp_path / "out" / "spool"), 1 << 20)
    assert spool.put(Envelope("/wandb/metrics", {}))
    examined = examine(scripts, PRIMUS_LENS_WANDB_OUTPUT_PATH=str(tmp_path / "out"))
    assert examined.healthy
    assert "; bodies in the spool: 1\n" in examined.text
    assert f"primus-lens-wandb replay {spool.folder}" in examined.text


def test_every_setting_is_listed_with_its_source(scripts: ScriptRunner) -> None:
    lines = examine(scripts).text.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[lines.index("settings") + 1 :] if line}
    assert rows["WORKLOAD_UID"] == ["workload-1", "environment"]
    assert rows["PRIMUS_LENS_WANDB_BATCH_SIZE"] == ["10", "default"]


def test_system_metrics_are_wanted(scripts: ScriptRunner, tmp_path: Path) -> None:
    wanted = {"PRIMUS_LENS_WANDB_ENHANCE_METRICS": "true"}
    for broken, seen in ((False, "by psutil"), (True, "warning: psutil cannot be imported")):
        if broken:
            (tmp_path / "psutil.py").write_text("raise ImportError")
        else:
            pytest.importorskip("psutil")
        path = os.pathsep.join([str(HOOK_FOLDER), str(tmp_path)])
        examined = examine(scripts, PYTHONPATH=path, **wanted)
        assert examined.healthy
        assert seen in examined.text
