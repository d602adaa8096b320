"""CPUs and memory: which limit counts, in every arrangement of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence import Probe
from primus_lens_wandb_exporter.evidence.compute.cgroups import find_folders
from primus_lens_wandb_exporter.evidence.compute.cpus import count_cpus
from primus_lens_wandb_exporter.evidence.compute.limits import read_cpu_quota, read_memory_limit
from primus_lens_wandb_exporter.evidence.compute.memory import measure_memory
from primus_lens_wandb_exporter.evidence.compute.ranges import parse_ranges

from .support.properties import patient

GIB = 2**30
UNLIMITED = {"4 KiB pages": 9223372036854771712, "64 KiB pages": 9223372036854710272}


def build(root: Path, files: dict[str, object]) -> Probe:
    """Write files below the root, and return a world that has them and no environment."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return Probe(environ={}, root=str(root))


def v2(own: str, *mounts: tuple[str, str]) -> dict[str, object]:
    """Return what `/proc` says where version 2 is mounted with these roots at these points."""
    lines = [
        f"31 23 0:{number} {root} {point} rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate"
        for number, (root, point) in enumerate(mounts or [("/", "/sys/fs/cgroup")])
    ]
    return {"proc/self/cgroup": f"0::{own}", "proc/self/mountinfo": "\n".join(lines)}


def v1(own: str, root: str = "/", controllers: str = "memory", name: str = "") -> dict[str, object]:
    """Return what `/proc` says where one hierarchy of version 1 is mounted with this root."""
    point = f"/sys/fs/cgroup/{name or controllers}"
    return {
        "proc/self/cgroup": f"12:pids:/elsewhere\n5:{controllers}:{own}\n0::/ignored",
        "proc/self/mountinfo": (
            "30 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
            f"35 30 0:32 {root} {point} rw - cgroup cgroup rw,{controllers}\n"
            "36 30 0:33 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids"
        ),
    }


def machine(cpus: str = "0-15", gib: int = 64, allowed: str = "") -> dict[str, object]:
    """Return what the kernel says of the whole machine."""
    return {
        "proc/meminfo": f"MemTotal:       {gib << 20} kB\nMemFree: 1 kB",
        "sys/devices/system/cpu/online": cpus,
        "proc/self/status": f"Name:\tpython\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed or cpus}",
    }


def test_the_smallest_limit_of_a_group_and_its_ancestors_counts(tmp_path: Path) -> None:
    probe = build(
        tmp_path,
        {
            **v2("/pods/pod1/container"),
            "sys/fs/cgroup/pods/memory.max": 32 * GIB,
            "sys/fs/cgroup/pods/pod1/memory.max": 8 * GIB,
            "sys/fs/cgroup/pods/pod1/container/memory.max": "max",
            "sys/fs/cgroup/pods/cpu.max": "800000 100000",
            "sys/fs/cgroup/pods/pod1/cpu.max": "max 100000",
            "sys/fs/cgroup/pods/pod1/container/cpu.max": "250000 100000",
            "sys/fs/cgroup/pods/other/memory.max": GIB,
        },
    )
    assert read_memory_limit(probe) == 8 * GIB
    assert read_cpu_quota(probe) == 3


def test_a_namespace_shows_the_own_group_as_the_root_of_the_mount(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory.max": 2 * GIB, "sys/fs/cgroup/cpu.max": "50000 100000"}
    probe = build(tmp_path, {**v2("/"), **files})
    assert (read_memory_limit(probe), read_cpu_quota(probe)) == (2 * GIB, 1)


@pytest.mark.parametrize("own", ["/kubepods/pod1/abc", "/../../kubepods/pod1/abc", "/../other"])
def test_a_path_that_is_not_below_the_mount_falls_back_to_its_root(tmp_path: Path, own: str) -> None:
    outside = {"sys/fs/memory.max": 1, "sys/fs/other/memory.max": 1, "sys/fs/cgroup/memory.max": GIB}
    assert read_memory_limit(build(tmp_path, {**v2(own), **outside})) == GIB


def test_a_mount_of_the_own_group_alone_is_not_descended_into(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/memory/memory.limit_in_bytes": 3 * GIB}
    probe = build(tmp_path, {**v1("/docker/abc", root="/docker/abc"), **files})
    assert read_memory_limit(probe) == 3 * GIB
    assert [folder.path for folder in find_folders(probe, "memory")] == ["/sys/fs/cgroup/memory"]


def test_a_mount_that_holds_the_group_is_preferred_to_one_that_does_not(tmp_path: Path) -> None:
    mounts = (("/other", "/elsewhere"), ("/../..", "/host"), ("/pod\\0401", "/sys/fs/c\\040g"))
    files = {"elsewhere/memory.max": 1, "host/memory.max": 2, "sys/fs/c g/job/memory.max": GIB}
    assert read_memory_limit(build(tmp_path, {**v2("/pod 1/job", *mounts), **files})) == GIB


def test_a_mount_and_a_group_above_the_root_of_the_namespace_can_meet(tmp_path: Path) -> None:
    files = {"host/sibling/memory.max": GIB, "host/memory.max": "max"}
    assert (
        read_memory_limit(build(tmp_path, {**v2("/../../sibling", ("/../..", "/host")), **files})) == GIB
    )


@pytest.mark.parametrize("unlimited", UNLIMITED.values(), ids=UNLIMITED)
def test_the_huge_number_of_version_1_is_no_limit(tmp_path: Path, unlimited: int) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": unlimited,
        "sys/fs/cgroup/memory/memory.stat": f"cache 1\nhierarchical_memory_limit {unlimited}",
    }
    assert read_memory_limit(build(tmp_path, {**v1("/"), **files})) is None


def test_version_1_knows_of_limits_above_what_is_mounted(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED["4 KiB pages"],
        "sys/fs/cgroup/memory/memory.stat": f"cache 1\nhierarchical_memory_limit {5 * GIB}\nrss 2",
    }
    assert read_memory_limit(build(tmp_path, {**v1("/pod/c", root="/pod/c"), **files})) == 5 * GIB


@pytest.mark.parametrize(
    ("quota", "cpus"), [(-1, None), (150000, 2), (400000, 4), (1000, 1), ("", None)]
)
def test_version_1_writes_the_quota_in_two_files(
    tmp_path: Path, quota: object, cpus: int | None
) -> None:
    files = {
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": quota,
        "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": 100000,
        "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": -1,
    }
    assert read_cpu_quota(build(tmp_path, {**v1("/job", controllers="cpu,cpuacct"), **files})) == cpus


def test_a_machine_can_have_both_versions(tmp_path: Path) -> None:
    first, second = v1("/job"), v2("/job", ("/", "/sys/fs/cgroup/unified"))
    both = {name: f"{first[name]}\n{second[name]}".replace("0::/ignored\n", "") for name in first}
    files = {
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": 4 * GIB,
        "sys/fs/cgroup/unified/job/cpu.max": "200000 100000",
    }
    probe = build(tmp_path, {**both, **files})
    assert (read_memory_limit(probe), read_cpu_quota(probe)) == (4 * GIB, 2)


def test_without_any_file_there_is_no_limit_and_no_error(tmp_path: Path) -> None:
    probe = build(tmp_path, {})
    assert (read_memory_limit(probe), read_cpu_quota(probe), measure_memory(probe)) == (None, None, None)
    assert count_cpus(probe) >= 1


@pytest.mark.parametrize(
    "text",
    ["", "max", "0", "-1", "1e9", "12,34", "9" * 40, "٣", "200000", "200000 0", "x 100000", "0 100000"],
)
def test_a_garbled_limit_is_none(tmp_path: Path, text: str) -> None:
    names = ("memory.max", "cpu.max", "memory/memory.limit_in_bytes")
    probe = build(tmp_path, {**v2("/"), **{f"sys/fs/cgroup/{name}": text for name in names}})
    assert read_cpu_quota(probe) is None
    assert read_memory_limit(probe) in (None, 200000)


GARBLED = st.text(st.sampled_from("0123:/. -cgroup2memory,\\\n\t\0\u0663"), max_size=120)


@patient
@given(own=GARBLED, mounts=GARBLED, limit=GARBLED)
def test_garbled_files_never_raise(
    tmp_path_factory: pytest.TempPathFactory, own: str, mounts: str, limit: str
) -> None:
    root = tmp_path_factory.mktemp("t")
    line = f"1 2 0:3 {mounts} /sys/fs/cgroup rw - cgroup2 cgroup rw"
    files = {
        "proc/self/mountinfo": f"{mounts}\n{line}\n{mounts}",
        "proc/self/cgroup": f"0::/{own}\n{own}",
    }
    names = ("cpu.max", "memory.max", "memory.stat", "memory.limit_in_bytes")
    probe = build(root, {**files, **{f"sys/fs/cgroup/{name}": limit for name in names}})
    assert (read_memory_limit(probe) or 1) > 0
    assert (read_cpu_quota(probe) or 1) > 0


def test_a_group_of_absurd_depth_is_followed_a_little_way(tmp_path: Path) -> None:
    probe = build(tmp_path, v2("/a" * 5000))
    assert len(list(find_folders(probe, "memory"))) < 100


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0-3,8", {0, 1, 2, 3, 8}),
        ("5\n", {5}),
        ("0,0-1", {0, 1}),
        ("3-1", set()),
        ("", set()),
        ("0-", set()),
        ("a", set()),
        ("-1", set()),
        ("0,,1", set()),
        ("0-99999", set()),
        ("0-9999," * 1000 + "1", set()),
    ],
)
def test_a_list_of_ranges_names_numbers(text: str, numbers: set[int]) -> None:
    assert parse_ranges(text) == numbers


@patient
@given(st.sets(st.integers(0, 8191)))
def test_every_set_of_numbers_can_be_written_as_a_list(numbers: set[int]) -> None:
    assert parse_ranges(",".join(map(str, numbers))) == numbers


def test_the_affinity_counts_where_no_quota_is_smaller(tmp_path: Path) -> None:
    probe = build(tmp_path, {**v2("/"), **machine(allowed="0-3,8")})
    assert count_cpus(probe) == 5
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("1600000 100000\n")
    assert count_cpus(probe) == 5
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("350000 100000\n")
    assert count_cpus(probe) == 4


def test_cpus_that_are_offline_do_not_count(tmp_path: Path) -> None:
    assert count_cpus(build(tmp_path, machine(cpus="0-7", allowed="0-127"))) == 8


def test_the_machine_counts_where_the_affinity_is_not_known(tmp_path: Path) -> None:
    assert count_cpus(build(tmp_path, {"sys/devices/system/cpu/online": "0-23"})) == 24


def test_a_quota_counts_where_nothing_else_is_known(tmp_path: Path) -> None:
    assert count_cpus(build(tmp_path, {**v2("/"), "sys/fs/cgroup/cpu.max": "9900000 100000"})) == 99


def test_a_limit_above_what_the_machine_has_is_no_limit(tmp_path: Path) -> None:
    files = {**v2("/"), **machine(gib=64), "sys/fs/cgroup/memory.max": 100 * GIB}
    assert measure_memory(build(tmp_path, files)) == 64 * GIB


@pytest.mark.parametrize(
    ("limit", "environ", "gib"),
    [
        ("max", {}, 64),
        (6 * GIB, {"SLURM_MEM_PER_NODE": "4096"}, 6),
        ("max", {"SLURM_MEM_PER_NODE": "4096"}, 4),
        ("max", {"SLURM_MEM_PER_NODE": "16G"}, 16),
        ("max", {"SLURM_MEM_PER_NODE": "0"}, 64),
        ("max", {"SLURM_MEM_PER_NODE": "lots"}, 64),
        ("max", {"SLURM_MEM_PER_NODE": "999999999"}, 64),
        ("max", {"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_ON_NODE": "8"}, 16),
        ("max", {"SLURM_MEM_PER_CPU": "2048", "SLURM_CPUS_PER_TASK": "4"}, 8),
        ("max", {"SLURM_MEM_PER_CPU": "2048"}, 64),
    ],
)
def test_memory_is_the_groups_then_slurms_then_the_machines(
    tmp_path: Path, limit: object, environ: dict[str, str], gib: int
) -> None:
    build(tmp_path, {**v2("/"), **machine(), "sys/fs/cgroup/memory.max": limit})
    assert measure_memory(Probe(environ=environ, root=str(tmp_path))) == gib * GIB
