"""The GPU inventory: what made-up machines show of theirs, through files and through NVML."""

from __future__ import annotations

import inspect
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence import Probe, hardware
from primus_lens_wandb_exporter.evidence.gpu import kfd, take_inventory

from .support.fake_nvml import FakeNvml, make_h100, make_instance
from .support.gpu_trees import (
    GIB,
    add_amd_host,
    add_cpu_node,
    add_mi300x,
    add_nvidia_driver,
    deny,
    open_devices,
    write_files,
)
from .support.properties import patient


def collect(probe: Probe) -> Any:
    return hardware.describe(take_inventory(probe))


def look(root: Path, nvml: FakeNvml | None = None, **environ: str) -> Probe:
    """Return a machine of these files, with or without `pynvml`."""

    def import_apart(name: str) -> Any:
        assert name == "pynvml"
        return nvml

    return Probe(environ=environ, modules={}, root=str(root), import_apart=import_apart)


def refuse(name: str) -> Any:
    raise AssertionError(f"{name} was imported")


def test_a_machine_without_a_gpu_says_so_and_imports_nothing(tmp_path: Path) -> None:
    found = collect(Probe(environ={}, modules={}, root=str(tmp_path), import_apart=refuse))
    assert found == {
        "gpu_arch": "",
        "gpu_name": "",
        "gpu_count": 0,
        "gpu_count_host": 0,
        "gpu_memory_gb": 0.0,
        "driver_version": "",
        "cuda_version": "",
        "rocm_version": "",
        "gpus": [],
    }


def test_looking_at_this_machine_starts_nothing() -> None:
    modules, threads = set(sys.modules), threading.active_count()
    json.dumps(collect(Probe()), allow_nan=False)
    assert not [name for name in set(sys.modules) - modules if not name.startswith("primus_lens")]
    assert threading.active_count() == threads


def test_a_host_of_eight_mi300x_shows_them_all(tmp_path: Path) -> None:
    open_devices(tmp_path, *add_amd_host(tmp_path))
    found = collect(look(tmp_path))
    assert (found["gpu_count"], found["gpu_count_host"]) == (8, 8)
    assert found["gpu_name"] == "AMD Instinct MI300X OAM"
    assert (found["gpu_arch"], found["gpu_memory_gb"]) == ("gfx942", 192.0)
    assert (found["rocm_version"], found["driver_version"]) == ("6.4.1", "6.8.5")
    assert found["gpus"][7] == {
        "index": 7,
        "vendor": "amd",
        "name": "AMD Instinct MI300X OAM",
        "arch": "gfx942",
        "total_memory_gb": 192.0,
        "multi_processor_count": 304,
        "uuid": "GPU-a0b0c0d0e0f00070",
        "major": 9,
        "minor": 4,
    }
    json.dumps(found, allow_nan=False)


def test_a_container_with_two_of_eight_sees_two_and_counts_eight(tmp_path: Path) -> None:
    minors = add_amd_host(tmp_path)
    open_devices(tmp_path, minors[3], minors[5])
    for board in set(range(8)) - {3, 5}:
        deny(tmp_path, 2 + board)
    inventory = take_inventory(look(tmp_path))
    assert [gpu.pci for gpu in inventory.gpus] == ["0000:0f:00.0", "0000:11:00.0"]
    assert [gpu.index for gpu in inventory.gpus] == [0, 1]
    assert inventory.host_count == 8


def test_a_gpu_without_its_render_device_counts_for_the_host_alone(tmp_path: Path) -> None:
    minors = add_amd_host(tmp_path)
    open_devices(tmp_path, minors[0])
    inventory = take_inventory(look(tmp_path))
    assert (len(inventory.gpus), inventory.host_count) == (1, 8)


def test_a_pod_without_gpus_on_a_gpu_host_sees_none(tmp_path: Path) -> None:
    for board in range(len(add_amd_host(tmp_path))):
        deny(tmp_path, 2 + board)
    found = collect(look(tmp_path))
    assert (found["gpu_count"], found["gpu_count_host"], found["gpu_name"]) == (0, 8, "")


def test_without_the_compute_device_no_render_device_helps(tmp_path: Path) -> None:
    open_devices(tmp_path, *add_amd_host(tmp_path))
    (tmp_path / "dev" / "kfd").unlink()
    assert take_inventory(look(tmp_path)).gpus == ()


def test_each_partition_is_a_gpu_and_has_its_board_s_name(tmp_path: Path) -> None:
    open_devices(tmp_path, *add_amd_host(tmp_path, parts=8))
    inventory = take_inventory(look(tmp_path))
    assert (len(inventory.gpus), inventory.host_count) == (64, 64)
    assert {gpu.name for gpu in inventory.gpus} == {"AMD Instinct MI300X OAM"}
    assert {gpu.partition for gpu in inventory.gpus} == {"CPX/NPS4"}
    assert {(gpu.memory_bytes, gpu.multi_processors) for gpu in inventory.gpus} == {(24 * GIB, 38)}
    assert len({gpu.uuid for gpu in inventory.gpus}) == 64
    assert len({gpu.pci for gpu in inventory.gpus}) == 8


def test_a_container_with_one_later_partition_still_knows_its_board(tmp_path: Path) -> None:
    minors = add_amd_host(tmp_path, parts=8)
    open_devices(tmp_path, minors[11])
    for at in set(range(64)) - {11}:
        deny(tmp_path, 2 + at)
    (gpu,) = take_inventory(look(tmp_path)).gpus
    assert (gpu.name, gpu.pci) == ("AMD Instinct MI300X OAM", "0000:0d:00.0")


@pytest.mark.parametrize("location", [0x0C00, 0x0C03, 0x3000_0C00])
def test_the_number_of_a_partition_is_no_part_of_its_address(location: int) -> None:
    assert kfd.Node(4, {"location_id": location, "domain": 1}).address == "0001:0c:00.0"


@pytest.mark.parametrize(
    ("environ", "boards"),
    [
        ({"ROCR_VISIBLE_DEVICES": "6,4,2"}, [6, 4, 2]),
        ({"ROCR_VISIBLE_DEVICES": "6,4,2", "HIP_VISIBLE_DEVICES": "2,0"}, [2, 6]),
        ({"ROCR_VISIBLE_DEVICES": "6,4", "CUDA_VISIBLE_DEVICES": "1"}, [4]),
        ({"ROCR_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "0"}, []),
        ({"HIP_VISIBLE_DEVICES": "3", "CUDA_VISIBLE_DEVICES": "1"}, [3]),
        ({"HIP_VISIBLE_DEVICES": "", "CUDA_VISIBLE_DEVICES": "1"}, [1]),
        ({"GPU_DEVICE_ORDINAL": "5"}, [5]),
        ({"GPU_DEVICE_ORDINAL": "4,5", "CUDA_VISIBLE_DEVICES": "4,5"}, [4, 5]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-a0b0c0d0e0f00070"}, [7]),
        ({"HIP_VISIBLE_DEVICES": "-1"}, []),
        ({"NVIDIA_VISIBLE_DEVICES": "0"}, [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_the_variables_of_rocm_number_what_the_one_before_left(
    tmp_path: Path, environ: dict[str, str], boards: list[int]
) -> None:
    open_devices(tmp_path, *add_amd_host(tmp_path))
    inventory = take_inventory(look(tmp_path, **environ))
    assert [int(gpu.pci[5:7], 16) - 0x0C for gpu in inventory.gpus] == boards
    assert [gpu.index for gpu in inventory.gpus] == list(range(len(boards)))
    assert inventory.host_count == 8


def test_a_virtual_function_without_a_product_name_is_known_by_its_id(tmp_path: Path) -> None:
    open_devices(tmp_path, add_mi300x(tmp_path, 1, 0, product_name=""))
    (gpu,) = take_inventory(look(tmp_path)).gpus
    assert gpu.name == "AMD Instinct MI300X"


def test_memory_comes_from_the_graphics_driver_where_the_topology_has_none(tmp_path: Path) -> None:
    open_devices(tmp_path, add_mi300x(tmp_path, 1, 0))
    bank = tmp_path / "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties"
    bank.write_text("heap_type 0\nsize_in_bytes 12\n")
    (gpu,) = take_inventory(look(tmp_path)).gpus
    assert gpu.memory_bytes == 192 * GIB


def test_a_release_in_a_folder_of_its_own_is_found(tmp_path: Path) -> None:
    write_files(tmp_path, {"opt/rocm-6.2.4/.info/version": "6.2.4-139\n", "opt/rocm/readme": ""})
    assert take_inventory(look(tmp_path)).rocm_version == "6.2.4"


def every_file(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe\x00", b"garbage\n", b"simd_count 99999999999999999999999\n"]
)
def test_a_file_that_is_missing_or_garbled_costs_its_own_field(
    tmp_path: Path, content: bytes | None
) -> None:
    open_devices(tmp_path, add_mi300x(tmp_path, 1, 0), add_mi300x(tmp_path, 2, 1))
    add_nvidia_driver(tmp_path, boards=1, devices=1)
    for path in every_file(tmp_path):
        kept = path.read_bytes()
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        found = collect(look(tmp_path))
        json.dumps(found, allow_nan=False)
        assert len(found["gpus"]) >= (0 if path.name == "kfd" else 2)
        path.write_bytes(kept)


@given(text=st.text() | st.from_regex(r"(\w+ \d+\n)*"))
@patient
def test_any_text_has_readable_properties(text: str) -> None:
    assert all(isinstance(value, int) for value in kfd.read_properties(text).values())


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (90402, "gfx942"),
        (90010, "gfx90a"),
        (90008, "gfx908"),
        (110000, "gfx1100"),
        (90500, "gfx950"),
        (0, ""),
    ],
)
def test_a_target_version_has_the_compiler_s_name(version: int, name: str) -> None:
    assert kfd.name_arch(version) == name


def test_eight_h100_are_told_by_nvml(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path, boards=8, devices=8)
    nvml = FakeNvml(*(make_h100(at) for at in range(8)))
    found = collect(look(tmp_path, nvml))
    assert (found["gpu_count"], found["gpu_count_host"]) == (8, 8)
    assert (found["driver_version"], found["cuda_version"]) == ("550.54.15", "12.4")
    assert (found["gpu_arch"], found["gpu_memory_gb"]) == ("sm_90", 80.0)
    assert found["gpus"][1] == {
        "index": 1,
        "vendor": "nvidia",
        "name": "NVIDIA H100 80GB HBM3",
        "arch": "sm_90",
        "total_memory_gb": 80.0,
        "multi_processor_count": 132,
        "uuid": "GPU-00000001-aaaa",
        "major": 9,
        "minor": 0,
    }
    assert (nvml.users, nvml.started) == (0, 1)


def test_answers_in_bytes_are_read_too(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    found = collect(look(tmp_path, FakeNvml(make_h100(0), as_bytes=True)))
    assert (found["gpu_name"], found["driver_version"]) == ("NVIDIA H100 80GB HBM3", "550.54.15")


def test_cuda_s_variable_chooses_and_numbers(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    nvml = FakeNvml(*(make_h100(at) for at in range(8)))
    inventory = take_inventory(look(tmp_path, nvml, CUDA_VISIBLE_DEVICES="6,2"))
    assert [gpu.uuid for gpu in inventory.gpus] == ["GPU-00000006-aaaa", "GPU-00000002-aaaa"]
    assert [gpu.index for gpu in inventory.gpus] == [0, 1]
    assert inventory.host_count == 8


def test_a_container_of_the_cdi_kind_sees_its_gpus_though_the_variable_says_void(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path, boards=8, devices=2)
    nvml = FakeNvml(make_h100(0), make_h100(1))
    inventory = take_inventory(look(tmp_path, nvml, NVIDIA_VISIBLE_DEVICES="void"))
    assert (len(inventory.gpus), inventory.host_count) == (2, 8)


def test_of_the_mig_devices_cuda_sees_one(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)
    instances = {at: make_instance(at) for at in (0, 1, 6)}
    nvml = FakeNvml(make_h100(0, instances=instances), make_h100(1), make_h100(2, mig=True))
    inventory = take_inventory(look(tmp_path, nvml))
    (gpu,) = inventory.gpus
    assert (gpu.uuid, gpu.partition) == ("MIG-00000000-bbbb", "MIG 1g.10gb")
    assert (gpu.memory_bytes, gpu.multi_processors, gpu.arch) == (10 * GIB, 16, "sm_90")
    assert gpu.name == "NVIDIA H100 80GB HBM3"
    assert inventory.host_count == 5
    chosen = take_inventory(look(tmp_path, nvml, CUDA_VISIBLE_DEVICES="MIG-00000006-bbbb"))
    assert [gpu.uuid for gpu in chosen.gpus] == ["MIG-00000006-bbbb"]


@pytest.mark.parametrize(
    "function", [name for name in vars(FakeNvml) if name.startswith("nvmlDeviceGet")]
)
def test_an_nvml_call_that_fails_costs_its_own_field(tmp_path: Path, function: str) -> None:
    add_nvidia_driver(tmp_path)
    nvml = FakeNvml(make_h100(0), make_h100(1, instances={0: make_instance(0)}), failing=(function,))
    found = collect(look(tmp_path, nvml, CUDA_VISIBLE_DEVICES="0"))
    assert found["gpu_count"] == (0 if function == "nvmlDeviceGetCount" else 1)
    assert found["cuda_version"] == "12.4"
    json.dumps(found, allow_nan=False)
    assert nvml.users == 0


def test_functions_that_an_old_pynvml_lacks_cost_their_fields(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path)

    class Old:
        def __init__(self) -> None:
            self.nvml = FakeNvml(make_h100(0))

        def __getattr__(self, name: str) -> Any:
            if name in (
                "nvmlDeviceGetNumGpuCores",
                "nvmlDeviceGetMigMode",
                "nvmlSystemGetCudaDriverVersion_v2",
            ):
                raise AttributeError(name)
            return getattr(self.nvml, name)

    (gpu,) = take_inventory(look(tmp_path, Old())).gpus  # type: ignore[arg-type]
    assert (gpu.multi_processors, gpu.arch) == (0, "sm_90")


def test_without_pynvml_the_driver_s_files_name_the_gpus_that_are_here(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path, boards=8, devices=2)
    found = collect(look(tmp_path))
    assert (found["gpu_count"], found["gpu_count_host"]) == (2, 8)
    assert found["driver_version"] == "535.104.05"
    assert found["gpus"][1] == {
        "index": 1,
        "vendor": "nvidia",
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-00000001-aaaa",
    }


def test_an_nvml_that_cannot_start_is_as_none(tmp_path: Path) -> None:
    add_nvidia_driver(tmp_path, boards=1, devices=1)
    nvml = FakeNvml()
    nvml.driver = False
    assert len(take_inventory(look(tmp_path, nvml)).gpus) == 1


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({}, False),
        ({"dev/nvidiactl": ""}, True),
        ({"proc/driver/nvidia/version": "?"}, True),
        ({"dev/dxg": ""}, False),
        ({"dev/dxg": "", "usr/lib/wsl/lib/libnvidia-ml.so.1": ""}, True),
    ],
)
def test_pynvml_is_wanted_only_where_a_driver_is(
    tmp_path: Path, files: dict[str, str], wanted: bool
) -> None:
    write_files(tmp_path, files)
    nvml = FakeNvml(make_h100(0))
    assert len(take_inventory(look(tmp_path, nvml)).gpus) == nvml.started == wanted


def test_the_open_kernel_module_has_a_version_too(tmp_path: Path) -> None:
    text = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (a@b)\n"
    write_files(tmp_path, {"proc/driver/nvidia/version": text})
    assert take_inventory(look(tmp_path)).driver_version == "570.86.15"


@pytest.fixture
def pynvml() -> Any:
    """The real one, which needs no driver to be loaded."""
    if "pynvml" in sys.modules:
        pytest.skip("loaded already")
    module = Probe().import_apart("pynvml")
    return pytest.importorskip("pynvml") if module is None else module


def test_the_pretended_nvml_has_the_real_one_s_functions(pynvml: Any) -> None:
    for name in vars(FakeNvml):
        if name.startswith("nvml"):
            pretended = inspect.signature(getattr(FakeNvml(), name)).parameters
            real = inspect.signature(getattr(pynvml, name)).parameters
            assert list(pretended) == list(real), name


def test_the_real_pynvml_loads_apart_and_leaves_no_trace(pynvml: Any) -> None:
    assert "pynvml" not in sys.modules
    assert Probe().import_apart("pynvml") is pynvml
    assert issubclass(pynvml.NVMLError_Uninitialized, pynvml.NVMLError)


def test_intel_s_discrete_gpus_count_and_integrated_graphics_do_not(tmp_path: Path) -> None:
    devices = {128: ("0x8086", "0x4680"), 129: ("0x8086", "0x0bd5"), 130: ("0x8086", "0xe299")}
    files = {"sys/class/drm/card0/dev": "", "sys/class/drm/version": ""}
    for minor, (vendor, device) in devices.items():
        folder = f"sys/class/drm/renderD{minor}"
        files.update(
            {f"{folder}/device/vendor": vendor + "\n", f"{folder}/device/device": device + "\n"}
        )
        files[f"dev/dri/renderD{minor}"] = ""
    files["sys/class/drm/renderD129/device/tile0/physical_vram_size_bytes"] = "0x1000000000\n"
    files["sys/class/drm/renderD129/device/tile1/physical_vram_size_bytes"] = "0x1000000000\n"
    write_files(tmp_path, files)
    found = collect(look(tmp_path))
    names = [gpu["name"] for gpu in found["gpus"]]
    assert names == ["Intel Data Center GPU Max 1550", "Intel GPU 0xe299"]
    assert (found["gpu_memory_gb"], found["gpu_count_host"]) == (128.0, 2)
    assert take_inventory(look(tmp_path, ZE_AFFINITY_MASK="1")).gpus[0].name == "Intel GPU 0xe299"


def test_processors_alone_are_no_gpus(tmp_path: Path) -> None:
    add_cpu_node(tmp_path, 0)
    assert take_inventory(look(tmp_path)).host_count == 0
