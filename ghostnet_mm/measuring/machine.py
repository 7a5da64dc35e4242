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


def has_vnni(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor adds up products of INT8 without overflow.

    x86 without VNNI adds two products of unsigned and signed bytes in 16 bits, which
    saturate (ONNX Runtime, "Quantize ONNX models: when and why do I need to try U8U8").
    Other processors, and systems that do not tell, count as those that have it.

    Args:
        cpuinfo: The file in which Linux lists what the processor can do.
    """
    if platform.machine().lower() not in ("x86_64", "amd64") or not cpuinfo.is_file():
        return True
    flags = {word for line in cpuinfo.open() for word in line.split()}
    return bool(flags & {"avx512_vnni", "avx_vnni", "avx_vnni_int8"})


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
