"""The bodies that are taken, typed as the contract has them; what does not fit is refused by its field.

As in the service that this stands for, unknown fields are passed over and missing ones are empty.
"""

from __future__ import annotations

from typing import Any, Optional, Union

import msgspec

Number = Union[int, float]


class Head(msgspec.Struct, kw_only=True):
    """Whose body it is."""

    source: str = ""
    workload_uid: str = ""
    pod_uid: str = ""
    pod_name: str = ""
    timestamp: Number = 0  # Unix seconds


class Point(msgspec.Struct):
    """One number of one metric."""

    name: str
    value: float
    step: int = 0
    timestamp: Number = 0  # Unix seconds; 0: the body's
    tags: dict[str, str] = {}


class MetricsBody(Head, kw_only=True):
    """`POST /wandb/metrics`."""

    run_id: str = ""
    metrics: list[Point] = []


class LogEntry(msgspec.Struct):
    """What one log call carried besides numbers."""

    data: dict[str, Any]
    step: int = 0
    timestamp: Number = 0  # Unix seconds; 0: the body's


class LogsBody(Head, kw_only=True):
    """`POST /wandb/logs`."""

    run_id: str = ""
    logs: list[LogEntry] = []


class WandbEvidence(msgspec.Struct):
    """What the W&B run says of itself."""

    project: str = ""
    name: str = ""
    id: str = ""
    config: dict[str, Any] = {}
    tags: list[str] = []


class PytorchEvidence(msgspec.Struct):
    """PyTorch in the process."""

    available: bool = False
    version: str = ""
    cuda_available: bool = False
    detected_modules: dict[str, bool] = {}


class Evidence(msgspec.Struct):
    """The typed part of the evidence; the whole of it is kept as it came."""

    wandb: WandbEvidence = msgspec.field(default_factory=WandbEvidence)
    environment: dict[str, str] = {}
    pytorch: Optional[PytorchEvidence] = None
    wrapper_frameworks: dict[str, dict[str, Any]] = {}
    base_frameworks: dict[str, dict[str, Any]] = {}
    system: dict[str, Any] = {}
    hardware: dict[str, Any] = {}
    software: dict[str, Any] = {}
    build: dict[str, str] = {}
    git: dict[str, Any] = {}


class Hints(msgspec.Struct):
    """What the exporter thinks the evidence speaks for."""

    wrapper_frameworks: list[str] = []
    base_frameworks: list[str] = []
    possible_frameworks: list[str] = []
    confidence: str = ""
    primary_indicators: list[str] = []
    framework_layers: dict[str, dict[str, Any]] = {}


class DetectionBody(Head, kw_only=True):
    """`POST /wandb/detection`."""

    type: str = ""
    version: str = ""
    namespace: str = ""
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    hints: Hints = msgspec.field(default_factory=Hints)


class BatchBody(msgspec.Struct):
    """`POST /wandb/batch`."""

    detection: Optional[DetectionBody] = None
    metrics: Optional[MetricsBody] = None
    logs: Optional[LogsBody] = None
