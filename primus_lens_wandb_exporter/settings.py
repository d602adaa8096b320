"""Every switch of the exporter, in one table: name, default, parser, help.

The table is the fields of `Settings`; the README's table is tested against it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Callable
from urllib.parse import urlsplit

from .bootstrap import HOOK_SWITCH, parse_switch

_OURS = "PRIMUS_LENS_WANDB_"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token: RFC 9110, 5.6.2


def _text(text: str) -> str:
    return text


def _path(text: str) -> str:
    """Return it absolute: what a name means may not depend on where the program goes later."""
    try:
        return os.path.abspath(text)
    except OSError:  # the working directory is gone
        raise ValueError("expected an absolute path") from None


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("expected a whole number of at least 1")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("expected a whole number of at least 0")
    return int(text)


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= 86400:
        raise ValueError("expected seconds between 0 and 86400")
    return number


def _interval(text: str) -> float:
    number = _seconds(text)
    if number < 0.05:
        raise ValueError("expected at least 0.05 seconds")
    return number


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected a URL like http://host:8080/api/v1")
    parts.port  # noqa: B018 - raises ValueError when the port is no number
    return text.rstrip("/")


def _without_user(text: str) -> str:
    """Return a text without what may be user and password of a URL that has a fault elsewhere."""
    return "…@" + text.rpartition("@")[2] if ":" in text.rpartition("@")[0] else text


def _proxy(text: str) -> str:
    if text.lower() in ("auto", "always", "never"):
        return text.lower()
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("expected auto, always, never or http://host:port of a proxy")
    return text


def _headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = []
    for part in text.split(","):
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if (
            not equals
            or not _HEADER_NAME.fullmatch(name)
            or not (value.isascii() and value.isprintable())
        ):
            raise ValueError("expected NAME=VALUE,NAME=VALUE")
        pairs.append((name, value))
    return tuple(pairs)


def _setting(
    variable: str,
    default: Any,
    parse: Callable[[str], Any],
    help: str,
    *,
    secret: bool = False,
) -> Any:
    return field(
        default=default,
        repr=not secret,
        metadata={"variable": variable, "parse": parse, "help": help, "secret": secret},
    )


@dataclass(frozen=True)
class Settings:
    """The exporter's settings; see each field's `metadata` for variable, parser and help."""

    workload_uid: str = _setting("WORKLOAD_UID", "", _text, "Workload this process belongs to.")
    pod_uid: str = _setting("POD_UID", "", _text, "UID of the pod.")
    pod_name: str = _setting(
        "POD_NAME", "", _text, "Name of the pod. Inside Kubernetes: the host name when unset."
    )
    pod_namespace: str = _setting("POD_NAMESPACE", "", _text, "Namespace of the pod.")
    api_base_url: str = _setting(
        "PRIMUS_LENS_API_BASE_URL",
        "http://primus-lens-telemetry-processor:8080/api/v1",
        _url,
        "Base URL of the telemetry-processor.",
    )

    hook: bool = _setting(
        HOOK_SWITCH, True, parse_switch, "`false`: nothing is hooked, as if not installed."
    )
    api_reporting: bool = _setting(
        _OURS + "API_REPORTING", True, parse_switch, "`false`: nothing is sent."
    )
    batch_size: int = _setting(
        _OURS + "BATCH_SIZE", 10, _positive_int, "Log calls that wait before a request goes out."
    )
    flush_interval: float = _setting(
        _OURS + "FLUSH_INTERVAL", 5.0, _interval, "Seconds after which fewer go out, too."
    )
    save_local: bool = _setting(
        _OURS + "SAVE_LOCAL",
        True,
        parse_switch,
        "`false`: no local files, even with an output path.",
    )
    output_path: str = _setting(
        _OURS + "OUTPUT_PATH", "", _path, "Folder for local JSONL files; unset: none are written."
    )
    spool_size: int = _setting(
        _OURS + "SPOOL_SIZE",
        256,
        _natural,
        "MiB below the output path for what cannot be delivered; `0`: it is dropped.",
    )
    enhance_metrics: bool = _setting(
        _OURS + "ENHANCE_METRICS",
        False,
        parse_switch,
        "Also send how process, machine and GPUs are used (needs `psutil`).",
    )
    system_interval: float = _setting(
        _OURS + "SYSTEM_INTERVAL", 15.0, _interval, "Seconds between two such measurements."
    )
    log_compute_metadata: bool = _setting(
        _OURS + "LOG_COMPUTE_METADATA",
        False,
        parse_switch,
        "Also write CPUs, memory, GPUs and the Slurm job into `wandb.config`, and say so in one line.",
    )
    debug: bool = _setting(_OURS + "DEBUG", False, parse_switch, "Debug log on standard error.")

    request_timeout: float = _setting(
        _OURS + "REQUEST_TIMEOUT", 10.0, _interval, "Seconds to wait for one answer."
    )
    retry_timeout: float = _setting(
        _OURS + "RETRY_TIMEOUT",
        300.0,
        _seconds,
        "Seconds to go on retrying one request that others overtake or crowd.",
    )
    shutdown_timeout: float = _setting(
        _OURS + "SHUTDOWN_TIMEOUT", 5.0, _seconds, "Seconds that exit waits without progress."
    )
    finish_timeout: float = _setting(
        _OURS + "FINISH_TIMEOUT", 2.0, _seconds, "Seconds that `wandb.finish()` waits at most."
    )
    sigterm: bool = _setting(
        _OURS + "SIGTERM", True, parse_switch, "`false`: a SIGTERM that nobody handles is left alone."
    )
    token: str = _setting(_OURS + "TOKEN", "", _text, "Bearer token.", secret=True)
    token_file: str = _setting(
        _OURS + "TOKEN_FILE", "", _path, "File with the bearer token, read again when it changes."
    )
    headers: tuple[tuple[str, str], ...] = _setting(
        _OURS + "HEADERS", (), _headers, "Extra request headers, `NAME=VALUE,…`.", secret=True
    )
    ca_file: str = _setting(_OURS + "CA_FILE", "", _path, "CA certificates (PEM) to trust.")
    client_cert: str = _setting(_OURS + "CLIENT_CERT", "", _path, "Client certificate (PEM).")
    client_key: str = _setting(_OURS + "CLIENT_KEY", "", _path, "Key of the client certificate.")
    proxy: str = _setting(
        _OURS + "PROXY",
        "auto",
        _proxy,
        "`auto`: `*_PROXY` variables, but never for cluster-local hosts; `always`, `never`, or a URL.",
        secret=True,
    )
    gzip: bool = _setting(
        _OURS + "GZIP", False, parse_switch, "Compress bodies; the processor must accept it."
    )

    @property
    def has_identity(self) -> bool:
        """Whether the telemetry-processor could tell whose data this is."""
        return bool(self.workload_uid or self.pod_name)

    @property
    def shown_url(self) -> str:
        """The base URL without the user and password it may hold."""
        parts = urlsplit(self.api_base_url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def reports(self) -> bool:
        """Whether data goes to the telemetry-processor."""
        return self.api_reporting and self.has_identity

    @property
    def writes_files(self) -> bool:
        """Whether data goes to local files."""
        return self.save_local and bool(self.output_path)


@dataclass(frozen=True)
class Source:
    """Where one setting's value came from: its variable, `environment`, `default` or `host name`."""

    variable: str
    origin: str


@dataclass(frozen=True)
class Loaded:
    """Settings, where each came from (by field name), and one warning for each bad value."""

    settings: Settings
    sources: Mapping[str, Source]
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings from the environment (default: this process's). An empty value is unset.

    Never raises: a bad value is named in `warnings` and its default is used instead.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    warnings: list[str] = []
    for setting in fields(Settings):
        variable = setting.metadata["variable"]
        sources[setting.name] = Source(variable, "default")
        text = environ.get(variable, "").strip()
        if not text:
            continue
        try:
            values[setting.name] = setting.metadata["parse"](text)
            sources[setting.name] = Source(variable, "environment")
        except ValueError as error:
            shown = "(not shown)" if setting.metadata["secret"] else repr(_without_user(text))
            reason = str(error) if str(error).startswith("expected") else "not valid"
            warnings.append(f"{variable}={shown}: {reason}; using {setting.default!r}")
    if not values.get("pod_name") and "KUBERNETES_SERVICE_HOST" in environ:
        values["pod_name"] = socket.gethostname()
        sources["pod_name"] = Source("POD_NAME", "host name")
    return Loaded(Settings(**values), sources, tuple(warnings))
