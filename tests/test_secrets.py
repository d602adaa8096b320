"""What was planted everywhere leaves by no way: not on the wire, not on the disk, not on the console."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from .support.processor import Processor
from .support.scripts import ScriptRunner

# Each its own, so that a leak names its place. None looks like a credential by itself.
PLANTED = {
    place: f"planted-{index}-{place}"
    for index, place in enumerate(
        "config nested list odd argument header environment slurm argv remote query notes".split()
    )
}
# These give themselves away under any name.
TELLING = {
    "config value": "hf_" + "c" * 34,
    "tag": "ghp_" + "t" * 36,
    "logged text": "sk-" + "l" * 40,
    "allowed variable": "https://user:" + "v" * 20 + "@host/config.yaml",
}


def make_repository(folder: Path) -> None:
    def git(*arguments: str) -> None:
        author = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
        subprocess.run(["git", *author, *arguments], cwd=folder, check=True, capture_output=True)

    git("init", "--initial-branch", "main")
    git("commit", "--allow-empty", "--message", "first")
    url = f"https://user:{PLANTED['remote']}@example.com/a/b.git?access_token={PLANTED['query']}"
    git("remote", "add", "origin", url)


def test_what_was_planted_everywhere_leaves_by_no_way(
    scripts: ScriptRunner, processor: Processor
) -> None:
    make_repository(scripts.folder)
    source = f"""
        import sys
        sys.argv += ["--api-key", {PLANTED["argv"]!r}]
        import wandb
        run = wandb.init(
            notes={PLANTED["notes"]!r},
            tags=[{TELLING["tag"]!r}],
            config={{
                "api_key": {PLANTED["config"]!r},
                "deep": {{"er": {{"db_password": {PLANTED["nested"]!r}}}}},
                "hosts": [{{"secret": {PLANTED["list"]!r}}}],
                "odd name with a Token": {PLANTED["odd"]!r},
                "command": ["train", "--auth-token", {PLANTED["argument"]!r}],
                "headers": {{"Authorization": {PLANTED["header"]!r}}},
                "model": {TELLING["config value"]!r},
            }},
        )
        run.log({{"loss": 1.0, "text": {TELLING["logged text"]!r}}})
        print_stats()
        run.finish()
        """
    environ = {
        "MY_PASSWORD": PLANTED["environment"],
        "SLURM_JWT": PLANTED["slurm"],
        "PRIMUS_CONFIG": TELLING["allowed variable"],
        "PRIMUS_LENS_WANDB_OUTPUT_PATH": str(scripts.folder / "out"),
    }
    finished = scripts.run(source, environ=environ)
    (record,) = processor.detections
    assert record["evidence"]["git"]["branch"] == "main"
    assert record["evidence"]["git"]["remote"].endswith("example.com/a/b.git")
    assert record["evidence"]["environment"]["PRIMUS_CONFIG"] == "[redacted]"
    written = [path for path in (scripts.folder / "out").rglob("*") if path.is_file()]
    written += [path for path in (scripts.folder / "tmp").rglob("*.json") if path.is_file()]
    assert written
    ways = {
        "sent": json.dumps([received.body for received in processor.received]),
        "headers": str([received.headers for received in processor.received]),
        "printed": finished.stdout + finished.debug + finished.stderr,
        **{str(path): path.read_text() for path in written},
    }
    for place, secret in {**PLANTED, **TELLING}.items():
        assert [way for way, text in ways.items() if secret in text] == [], place


def test_what_is_shown_on_request_is_redacted_and_says_so(scripts: ScriptRunner) -> None:
    make_repository(scripts.folder)
    environ = {
        "MY_PASSWORD": PLANTED["environment"],
        "PRIMUS_CONFIG": TELLING["allowed variable"],
        "RANK": "3",
    }
    finished = scripts.run(
        """
        from primus_lens_wandb_exporter.cli import main
        raise SystemExit(main(["evidence"]))
        """,
        environ=environ,
    )
    record = json.loads(finished.stdout)
    assert record["evidence"]["environment"] == {
        **record["evidence"]["environment"],
        "RANK": "3",
        "PRIMUS_CONFIG": "[redacted]",
    }
    assert "Redacted: evidence.environment.PRIMUS_CONFIG." in finished.stderr
    for secret in (*PLANTED.values(), *TELLING.values()):
        assert secret not in finished.stdout + finished.stderr + finished.debug
