"""Would data arrive from this interpreter? Each question is one finding, with what to do about it."""

from __future__ import annotations

import os
import site
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from . import bootstrap, import_hook, payloads
from .advice import advice_on_endpoint
from .delivery.envelope import Envelope, Verdict
from .delivery.http_sink import HttpSink
from .delivery.spool import make_spool
from .settings import Loaded, Settings, load
from .system_metrics import load_psutil

RUN_ID = "primus-lens-doctor"  # of the empty metrics body that the endpoint is asked to take

_OLDEST_WANDB = (0, 16)
_PTH = "primus_lens_wandb_exporter.pth"


@dataclass(frozen=True)
class Finding:
    """One answered question: what was looked at, whether it is well, what was seen, what to do."""

    topic: str
    well: bool
    seen: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """All findings, and the settings they were made with."""

    findings: list[Finding]
    loaded: Loaded

    @property
    def healthy(self) -> bool:
        """Whether data would arrive."""
        return all(finding.well for finding in self.findings)

    def show(self) -> int:
        """Print the report and return the exit status: 0 only when data would arrive."""
        for finding in self.findings:
            print(f"{_mark(finding.well)}  {finding.topic:<10}{finding.seen}")
            if finding.advice:
                print(f"{'':<16}{finding.advice}")
        print("\nsettings")
        width = max(len(source.variable) for source in self.loaded.sources.values()) + 2
        for name, source in self.loaded.sources.items():
            value = _shown(self.loaded.settings, name)
            print(f"  {source.variable:<{width}}{value:<52}{source.origin}".rstrip())
        problems = sum(not finding.well for finding in self.findings)
        if problems:
            print(
                f"\nData would not arrive: {problems} problem{'s' if problems > 1 else ''}, see above."
            )
        else:
            print("\nData would arrive.")
        return 1 if problems else 0


def examine(environ: Mapping[str, str] | None = None) -> Report:
    """Answer every question for this interpreter and environment; the endpoint is asked for real."""
    environ = os.environ if environ is None else environ
    loaded = load(environ)
    settings = loaded.settings
    findings = [_examine_hook(environ), _examine_wandb(), _examine_identity(settings)]
    findings += [Finding("setting", True, f"warning: {warning}") for warning in loaded.warnings]
    if settings.token_file:
        findings += _examine_token_file(settings.token_file)
    if settings.has_identity:
        findings.append(_examine_endpoint(settings))
    if settings.writes_files:
        findings.append(_examine_output(settings))
    if settings.enhance_metrics:
        findings.append(_examine_system_metrics())
    return Report(findings, loaded)


def _mark(well: bool) -> str:
    text = " ok " if well else "FAIL"
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{32 if well else 31}m{text}\033[0m"


def _shown(settings: Settings, name: str) -> str:
    value = settings.shown_url if name == "api_base_url" else getattr(settings, name)
    metadata = Settings.__dataclass_fields__[name].metadata
    if metadata["secret"] and value and value != "auto":
        return "(set, not shown)"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value or value == 0 else "-"


def _examine_hook(environ: Mapping[str, str]) -> Finding:
    python = f"{sys.executable} ({'.'.join(map(str, sys.version_info[:3]))})"
    if import_hook.is_armed("wandb"):
        return Finding("hook", True, f"armed in {python}")
    seen = f"not armed in {python}"
    for applies, reason, advice in _reasons(environ):
        if applies():
            return Finding("hook", False, f"{seen}: {reason}", advice)
    return Finding("hook", False, seen, "please report this with the output of `python -v -c pass`")


def _reasons(environ: Mapping[str, str]) -> list[tuple[Callable[[], bool], str, str]]:
    """Return why the hook may be out, most telling first: does it apply, what it is, what to do."""
    folder = Path(__file__).resolve().parents[1]
    site_folders = {Path(entry).resolve() for entry in [*_site_folders(), site.getusersitepackages()]}
    in_user_site = folder == Path(site.getusersitepackages()).resolve()
    on_pythonpath = any(
        (Path(entry) / "sitecustomize.py").is_file() and "primus_lens" in _read(Path(entry))
        for entry in environ.get("PYTHONPATH", "").split(os.pathsep)
        if entry
    )
    return [
        (
            lambda: not bootstrap.hook_enabled(environ),
            f"switched off by {bootstrap.HOOK_SWITCH}={environ.get(bootstrap.HOOK_SWITCH)}",
            f"unset {bootstrap.HOOK_SWITCH}",
        ),
        (
            lambda: bool(sys.flags.no_site),
            "Python runs with -S, which reads no .pth file and no sitecustomize",
            "run Python without -S",
        ),
        (
            lambda: on_pythonpath and bool(sys.flags.isolated or sys.flags.ignore_environment),
            "Python runs with -I or -E, which ignores PYTHONPATH",
            "run Python without -I and -E, or install the package with pip",
        ),
        (
            lambda: in_user_site and not site.ENABLE_USER_SITE,
            "it is installed in the user's site folder, which this Python does not use",
            "install it into this environment, or run Python without -I, -s and PYTHONNOUSERSITE",
        ),
        (
            lambda: on_pythonpath,
            "another sitecustomize stands in front of ours on PYTHONPATH",
            "put our folder first on PYTHONPATH",
        ),
        (
            lambda: folder in site_folders and not (folder / _PTH).is_file(),
            f"{folder / _PTH} is missing",
            "install the package again",
        ),
        (
            lambda: folder not in site_folders and not any((f / _PTH).is_file() for f in site_folders),
            f"{folder} is no site folder of this Python, so its .pth file is not read",
            "install the package with pip, or use `primus-lens-wandb run -- COMMAND`",
        ),
        (
            lambda: bool(_start_error()),
            f"it cannot start: {_start_error()}",
            "install the package again",
        ),
    ]


def _site_folders() -> list[str]:
    return [*site.getsitepackages(), *(entry for entry in sys.path if entry.endswith("-packages"))]


def _read(folder: Path) -> str:
    try:
        return (folder / "sitecustomize.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _start_error() -> str:
    try:
        from . import wandb_hook  # noqa: F401 - what the hook would load
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _examine_wandb() -> Finding:
    from importlib import metadata

    try:
        version = metadata.version("wandb")
    except metadata.PackageNotFoundError:
        return Finding("wandb", False, "not installed for this interpreter", "pip install wandb")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < _OLDEST_WANDB:
        return Finding("wandb", False, f"{version} is too old", "install wandb 0.16 or newer")
    return Finding("wandb", True, version)


def _examine_identity(settings: Settings) -> Finding:
    if settings.has_identity:
        parts = [
            f"{name} {value}"
            for name, value in (("workload", settings.workload_uid), ("pod", settings.pod_name))
            if value
        ]
        return Finding("identity", True, ", ".join(parts))
    return Finding(
        "identity",
        False,
        "neither WORKLOAD_UID nor POD_NAME is set, so nothing is sent",
        "set one of them; in Kubernetes by the downward API",
    )


def _examine_token_file(path: str) -> list[Finding]:
    try:
        held = Path(path).read_text(encoding="utf-8").strip()
        trouble = "" if held else "is empty"
    except (OSError, ValueError) as error:
        trouble = f"cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}"
    if not trouble:
        return []
    advice = "check PRIMUS_LENS_WANDB_TOKEN_FILE"  # whether a token is needed, the endpoint says
    return [Finding("token", True, f"warning: {path} {trouble}", advice)]


def _examine_endpoint(settings: Settings) -> Finding:
    if not settings.api_reporting:
        return Finding(
            "endpoint", False, "reporting is switched off", "unset PRIMUS_LENS_WANDB_API_REPORTING"
        )
    head = {**payloads.identity(settings), "run_id": RUN_ID, "timestamp": time.time()}
    sink = HttpSink(settings)
    outcome = sink.send(Envelope(payloads.METRICS_PATH, head, "metrics"), settings.request_timeout)
    sink.close()
    url = settings.shown_url
    if outcome.verdict is Verdict.SENT:
        return Finding("endpoint", True, f"{url} takes a metrics body")
    return Finding("endpoint", False, f"{url}: {outcome.detail}", advice_on_endpoint(outcome))


def _examine_output(settings: Settings) -> Finding:
    from .exporter import local_path

    path = Path(local_path(settings.output_path, os.environ))
    try:  # permissions do not tell; only opening it does
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        advice = "check PRIMUS_LENS_WANDB_OUTPUT_PATH"
        return Finding("files", False, f"{path} cannot be written: {error.strerror}", advice)
    spool = make_spool(settings)
    waiting, advice = spool.count() if spool else 0, ""
    if spool and waiting:
        advice = f"sent by the next process that reports, or by: primus-lens-wandb replay {spool.folder}"
    return Finding("files", True, f"{path}; bodies in the spool: {waiting}", advice)


def _examine_system_metrics() -> Finding:
    if load_psutil() is not None:
        return Finding("system", True, "CPU and memory use by psutil")
    seen = "warning: psutil cannot be imported, so PRIMUS_LENS_WANDB_ENHANCE_METRICS changes nothing"
    return Finding("system", True, seen, "pip install psutil")  # what was logged arrives all the same
