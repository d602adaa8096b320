"""The usage of GPUs: what a sampler reads of those that are visible."""

from __future__ import annotations

from pathlib import Path

import pytest

from primus_lens_wandb_exporter.evidence import Probe
from primus_lens_wandb_exporter.evidence.gpu import Inventory, take_inventory
from primus_lens_wandb_exporter.evidence.gpu.usage import UsageReader

from .support.fake_nvml import FakeNvml, make_h100, make_instance
from .support.gpu_trees import add_mi300x, add_nvidia_driver, open_devices

H100 = {
    "utilization_percent": 97.0,
    "memory_used_mib": 20480.0,
    "memory_percent": 25.0,
    "temperature_celsius": 65.0,
    "power_watts": 612.5,
}


def look(root: Path, nvml: FakeNvml | None = None, **environ: str) -> tuple[Probe, Inventory]:
    probe = Probe(environ=environ, modules={}, root=str(root), import_apart=lambda name: nvml)
    return probe, take_inventory(probe)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_nvml_is_read_until_closed(tmp_path: Path, as_bytes: bool) -> None:
    add_nvidia_driver(tmp_path)
    nvml = FakeNvml(make_h100(0), make_h100(1), as_bytes=as_bytes)
    reader = UsageReader(*look(tmp_path, nvml, CUDA_VISIBLE_DEVICES="1"))
    assert reader.read() == [H100]
    assert reader.read() == [H100]
    assert nvml.users == 1
    reader.close()
    reader.close()
    assert nvml.users == 0
    assert reader.read() == [{}]


@pytest.mark.parametrize(
    ("function", "missing"),
    [
        ("nvmlDeviceGetUtilizationRates", {"utilization_percent"}),
        ("nvmlDeviceGetMemoryInfo", {"memory_used_mib", "memory_percent"}),
        ("nvmlDeviceGetPowerUsage", {"power_watts"}),
        ("nvmlDeviceGetHandleByUUID", set(H100)),
    ],
)
def test_a_call_that_fails_costs_its_own_reading(
    tmp_path: Path, function: str, missing: set[str]
) -> None:
    add_nvidia_driver(tmp_path)
    (reading,) = UsageReader(*look(tmp_path, FakeNvml(make_h100(0), failing=(function,)))).read()
    assert set(H100) - set(reading) == missing


def test_the_newer_call_tells_the_temperature_where_the_older_is_gone(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    nvml = FakeNvml(make_h100(0), failing=("nvmlDeviceGetTemperature",))
    (reading,) = UsageReader(*look(tmp_path, nvml)).read()
    assert reading["temperature_celsius"] == 66.0


def test_a_gpu_without_a_known_uuid_is_found_by_its_address(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    nvml = FakeNvml(make_h100(0), make_h100(1), failing=("nvmlDeviceGetUUID",))
    assert UsageReader(*look(tmp_path, nvml)).read() == [H100, H100]


def test_a_mig_device_tells_its_memory(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    reader = UsageReader(*look(tmp_path, FakeNvml(make_h100(0, instances={0: make_instance(0)}))))
    assert reader.read() == [{"memory_used_mib": 0.0, "memory_percent": 0.0}]


def test_amd_s_files_are_read(tmp_path: Path) -> None:
    open_devices(tmp_path, add_mi300x(tmp_path, 1, 0))
    assert UsageReader(*look(tmp_path)).read() == [
        {
            "utilization_percent": 93.0,
            "memory_used_mib": 49152.0,
            "memory_percent": 25.0,
            "temperature_celsius": 61.0,
            "power_watts": 550.0,
        }
    ]


def test_a_partition_has_its_board_s_load_and_no_memory_of_its_own(tmp_path: Path) -> None:
    open_devices(tmp_path, *(add_mi300x(tmp_path, 1 + part, 0, part, 8) for part in range(8)))
    readings = UsageReader(*look(tmp_path)).read()
    assert [set(reading) for reading in readings] == [
        {"utilization_percent", "temperature_celsius", "power_watts"}
    ] * 8


@pytest.mark.parametrize("text", ["", "-1\n", "n/a\n", "1e3\n", "٣\n"])
def test_a_garbled_file_costs_its_own_reading(tmp_path: Path, text: str) -> None:
    open_devices(tmp_path, add_mi300x(tmp_path, 1, 0))
    probe, inventory = look(tmp_path)
    (tmp_path / inventory.gpus[0].folder.lstrip("/") / "gpu_busy_percent").write_text(text)
    (reading,) = UsageReader(probe, inventory).read()
    assert set(H100) - set(reading) == {"utilization_percent"}


def test_without_a_gpu_there_is_nothing_to_read(tmp_path: Path) -> None:
    reader = UsageReader(*look(tmp_path))
    assert reader.read() == []
    reader.close()
