"""How much memory a file may take."""

from __future__ import annotations

from pathlib import Path

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


def _left_in_container() -> int | None:
    try:
        limit = (CONTROL_GROUP / "memory.max").read_text().strip()
        used = (CONTROL_GROUP / "memory.current").read_text().strip()
    except OSError:
        return None
    return max(int(limit) - int(used), 0) if limit.isdigit() else None
