"""What a measurement was taken on."""

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import torch


def describe_machine() -> str:
    """Return processor, threads in use and PyTorch's version in one line."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' * (threads != 1)}, torch {torch.__version__}"


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed.

    Args:
        names: Of distributions, such as ``onnxruntime``.
    """
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
