"""The bodies that are taken, typed as the contract has them; what does not fit is refused by its field.

As in the service that this stands for, unknown fields are passed over and missing ones are empty.

A name longer than 1024 characters is refused, for cut short it would be another name. W&B's run ids have
128 at most and names in Kubernetes 253, so only a metric's name or a tag comes near; the exporter halves
what is refused until the rest goes through, and loses the points of that one alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional, Union

import msgspec

Step = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Time = Annotated[float, msgspec.Meta(ge=0, le=253402300799)]  # Unix seconds, to the end of the year 9999
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Label = Annotated[str, msgspec.Meta(max_length=1024)]

WHOSE = 2560  # bytes of the names of workload and pod: PostgreSQL has 2.7 kB for a row of an index


class Head(msgspec.Struct, kw_only=True):
    """Whose body it is."""

    source: Label = ""
    workload_uid: Label = ""
    pod_uid: Label = ""
    pod_name: Label = ""
    timestamp: Time = 0  # 0: the time of receipt


class Point(msgspec.Struct):
    """One number of one metric."""

    name: Name
    value: float
    step: Step = 0
    timestamp: Time = 0  # 0: the body's
    tags: dict[Label, Label] = {}


class MetricsBody(Head, kw_only=True):
    """`POST /wandb/metrics`."""

    run_id: Label = ""
    metrics: list[Point] = []


class LogEntry(msgspec.Struct):
    """What one log call carried besides numbers; `data` is an object, kept as it came."""

    data: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
    step: Step = 0
    timestamp: Time = 0  # 0: the body's


EVENT = "primus_lens.event"


class RunEvent(msgspec.Struct):
    """What a run says of itself: **ours**, in a log entry's data under `primus_lens.event`."""

    kind: Literal["started", "finished", "failed"]
    host: str = ""
    pid: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    exit_code: Optional[Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)]] = None
    cause: str = ""


class MarkedEntry(msgspec.Struct):
    """The data of a log entry that may be an event."""

    event: Optional[RunEvent] = msgspec.field(default=None, name=EVENT)


class LogsBody(Head, kw_only=True):
    """`POST /wandb/logs`."""

    run_id: Label = ""
    logs: list[LogEntry] = []


class WandbEvidence(msgspec.Struct):
    """What the W&B run says of itself."""

    project: str = ""
    name: str = ""
    id: Label = ""
    config: dict[str, Any] = {}
    tags: list[str] = []
    entity: str = ""
    group: str = ""
    job_type: str = ""


class Distributed(msgspec.Struct):
    """How PyTorch's processes talk to each other."""

    backend: str = ""
    world_size: Step = 0


class PytorchEvidence(msgspec.Struct):
    """PyTorch in the process."""

    available: bool = False
    version: str = ""
    cuda_available: bool = False
    detected_modules: dict[str, bool] = {}
    cuda_version: str = ""
    hip_version: str = ""
    distributed: Distributed = msgspec.field(default_factory=Distributed)


class LoadedFramework(msgspec.Struct):
    """A framework whose module is loaded."""

    detected: bool = False
    version: str = ""
    in_use: bool = False
    base_framework: str = ""


class Hardware(msgspec.Struct):
    """The machine's GPUs, and those of them that the process sees."""

    gpu_arch: str = ""
    gpu_name: str = ""
    rocm_version: str = ""
    cuda_version: str = ""
    driver_version: str = ""
    gpu_count: Step = 0
    gpu_count_host: Step = 0
    gpu_memory_gb: float = 0
    gpus: list[dict[str, Any]] = []


class Software(msgspec.Struct):
    """Versions of packages and of ROCm."""

    rocm_version: str = ""
    packages: dict[str, str] = {}


class Commit(msgspec.Struct):
    """The commit that runs."""

    commit: str = ""
    branch: str = ""
    remote: str = ""
    dirty: bool = False


class Evidence(msgspec.Struct):
    """The typed part of the evidence; the whole of it is kept as it came."""

    wandb: WandbEvidence = msgspec.field(default_factory=WandbEvidence)
    environment: dict[str, str] = {}
    pytorch: PytorchEvidence = msgspec.field(default_factory=PytorchEvidence)
    wrapper_frameworks: dict[str, LoadedFramework] = {}
    base_frameworks: dict[str, LoadedFramework] = {}
    system: dict[str, Any] = {}
    hardware: Union[Hardware, msgspec.UnsetType] = msgspec.UNSET
    software: Software = msgspec.field(default_factory=Software)
    build: dict[str, str] = {}
    git: Commit = msgspec.field(default_factory=Commit)


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
    namespace: Label = ""
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    hints: Hints = msgspec.field(default_factory=Hints)


class BatchBody(msgspec.Struct):
    """`POST /wandb/batch`."""

    detection: Optional[DetectionBody] = None
    metrics: Optional[MetricsBody] = None
    logs: Optional[LogsBody] = None


class RawDetection(msgspec.Struct):
    """The parts of a detection record that are kept as they came."""

    evidence: msgspec.Raw = msgspec.Raw(b"{}")
    hints: msgspec.Raw = msgspec.Raw(b"{}")


class RawWandb(msgspec.Struct):
    """The parts of what the run says of itself that are kept as they came."""

    config: msgspec.Raw = msgspec.Raw(b"{}")
    tags: msgspec.Raw = msgspec.Raw(b"[]")


class RawRun(msgspec.Struct):
    """The same, in the evidence."""

    wandb: RawWandb = msgspec.field(default_factory=RawWandb)


class RawBatch(msgspec.Struct):
    """The same, of a batch."""

    detection: Optional[RawDetection] = None
