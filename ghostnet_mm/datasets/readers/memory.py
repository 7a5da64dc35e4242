"""How much memory a file may take."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import DataError

MEMINFO = Path("/proc/meminfo")
CONTROL_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Return the bytes that this process may still take; ``None`` where unknown.

    On Linux what the kernel calls available, or less where a container has a limit.
    """
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    known = {line.partition(":")[0]: line.split()[1] for line in lines if ":" in line}
    if "MemAvailable" not in known:
        return None
    free = int(known["MemAvailable"]) * 1024
    left = _left_in_container()
    return free if left is None else min(free, left)


def refuse_beyond_memory(path: str | os.PathLike[str], needed: int) -> None:
    """Refuse a file that may need more memory than is free.

    Args:
        path: The file, for the message.
        needed: A bound of the bytes it takes.

    Raises:
        DataError: It may need more.
    """
    free = free_memory()
    if free is not None and needed > free:
        raise DataError(
            f"The annotation file {path} may need {needed / 1e9:.1f} GB of memory, and "
            f"{free / 1e9:.1f} GB are free; split the file, or use a larger machine."
        )


def _left_in_container() -> int | None:
    try:
        limit = (CONTROL_GROUP / "memory.max").read_text().strip()
        used = (CONTROL_GROUP / "memory.current").read_text().strip()
    except OSError:
        return None
    if not limit.isdigit():
        return None
    return max(int(limit) - max(int(used) - _page_cache(), 0), 0)


def _page_cache() -> int:
    """Return the bytes of files that the kernel keeps only while nobody needs room."""
    try:
        lines = (CONTROL_GROUP / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    entries = dict(line.split(maxsplit=1) for line in lines if " " in line)
    return sum(int(entries.get(key, 0)) for key in ("inactive_file", "active_file"))
