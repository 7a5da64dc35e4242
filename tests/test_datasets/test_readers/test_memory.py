"""How much memory is left, in a container too."""

import pytest

from ghostnet_mm.datasets.readers import memory

GIGABYTE = 10**9


@pytest.fixture
def container(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text(
        "MemTotal: 99000000 kB\nMemAvailable: 90000000 kB"
    )
    (tmp_path / "memory.max").write_text(f"{10 * GIGABYTE}\n")
    (tmp_path / "memory.current").write_text(f"{9 * GIGABYTE}\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTROL_GROUP", tmp_path)
    return tmp_path


def test_cached_files_leave_their_memory_to_whoever_needs_it(container):
    (container / "memory.stat").write_text(
        f"anon {2 * GIGABYTE}\nfile {7 * GIGABYTE}\n"
        f"inactive_file {4 * GIGABYTE}\nactive_file {2 * GIGABYTE}\n"
    )
    assert memory.free_memory() == 7 * GIGABYTE


def test_without_statistics_all_that_is_charged_is_used(container):
    assert memory.free_memory() == GIGABYTE
