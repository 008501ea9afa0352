"""Cores that a process may use: affinity, the quota of its control group, OMP_NUM_THREADS."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fincompress.commands.workspace import limit_threads
from fincompress.machine import cpu
from fincompress.machine.cpu import cpu_flags, cpu_model, usable_cores
from fincompress.studies.study import Study


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A process that may run on eight cores and belongs to no control group."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpu, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cpu, "OWN_CGROUP", tmp_path / "own")
    return tmp_path


def test_affinity_is_the_limit_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_cores() == 8
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS and Windows
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [("3", 3), ("4,2", 4), ("64", 8), ("0", 8), ("", 8), ("all", 8)],
)
def test_omp_num_threads_is_a_limit(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert usable_cores() == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("400000 100000", 4), ("150000 100000", 1), ("20000 100000", 1), ("max 100000", 8)],
)
def test_a_quota_is_a_limit_of_whole_cores(eight_cores: Path, quota: str, expected: int) -> None:
    (eight_cores / "own").write_text("0::/pod/container\n")
    group = eight_cores / "cgroup" / "pod" / "container"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text(f"{quota}\n")
    assert usable_cores() == expected


def test_the_tightest_group_above_counts(eight_cores: Path) -> None:
    (eight_cores / "own").write_text("0::/pod/container\n")
    group = eight_cores / "cgroup" / "pod" / "container"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("600000 100000\n")
    (group.parent / "cpu.max").write_text("200000 100000\n")
    assert usable_cores() == 2


def test_inside_a_container_the_quota_stands_at_the_root(eight_cores: Path) -> None:
    (eight_cores / "own").write_text("0::/\n")
    (eight_cores / "cgroup").mkdir()
    (eight_cores / "cgroup" / "cpu.max").write_text("300000 100000\n")
    assert usable_cores() == 3


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("-1", 8)])
def test_version_1_of_control_groups(eight_cores: Path, quota: str, expected: int) -> None:
    (eight_cores / "own").write_text("4:memory:/x\n2:cpu,cpuacct:/x\n")
    group = eight_cores / "cgroup" / "cpu" / "x"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores() == expected


def test_the_cpu_is_read_where_linux_lists_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for function in (cpu_model, cpu_flags):
        function.cache_clear()
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text("model name\t: Some CPU @ 2 GHz: fast\nflags\t\t: sse avx2\n")
    try:
        assert (cpu_model(), cpu_flags()) == ("Some CPU @ 2 GHz: fast", ("avx2", "sse"))
        for function in (cpu_model, cpu_flags):
            function.cache_clear()
        (tmp_path / "cpuinfo").unlink()
        assert cpu_flags() == ()
        assert cpu_model(), "the architecture, where nothing else is known"
    finally:
        for function in (cpu_model, cpu_flags):
            function.cache_clear()


def test_a_study_is_measured_with_no_more_threads_than_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Study.load("cpu")
    assert limit_threads(study) == study, "two threads fit on eight cores"
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert limit_threads(study).benchmark == replace(study.benchmark, threads=1)
    assert capsys.readouterr().out == (
        "benchmark.threads: 2 in experiments/cpu.yaml, and this process may use 1: "
        "measured with 1\n"
    )


def test_registered_versions_find_the_names_that_their_model_file_imports() -> None:
    """Where this package is imported already, a version's own copy of it is not."""
    model_file = (
        "from fincompress.artifact import read_artifact\n"
        "from fincompress.cores import usable_cores\n"
        "from fincompress.runtimes import load_runtime\n"
    )
    names: dict[str, object] = {}
    exec(model_file, names)
    assert names["usable_cores"] is cpu.usable_cores
    assert {"read_artifact", "load_runtime"} <= names.keys()
