"""What a report says of how a run was made."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from ghostnet_runtime.status_line import plain_duration
from mmengine.config import Config

from ...configuration.data.clean_data import data_report
from ...datasets.annotations.findings import Findings
from ...datasets.annotations.kinds import KINDS
from ...measuring.machine import describe_machine, library_versions
from ...version import __version__

PACKAGES = ("torch", "torchvision", "mmengine", "mmcv", "mmcv-lite", "mmdet", "timm")


def command_line() -> str:
    """Return what this process was started with, to be typed again."""
    program, *arguments = sys.argv
    return shlex.join([Path(program).name or "python", *arguments])


def run_facts(cfg: Config, seconds: float) -> dict[str, str]:
    """Return names and values of how the run was made.

    Args:
        cfg: Its config.
        seconds: How long it took.
    """
    versions = {"ghostnet_mm": __version__, **library_versions(PACKAGES)}
    machine = describe_machine()
    if torch.cuda.is_available():
        machine = f"{torch.cuda.get_device_name()}; {machine}"
    seed = (cfg.get("randomness") or {}).get("seed")
    return {
        "command": command_line(),
        "config": Path(cfg.filename or "").name,
        "seed": "not fixed" if seed is None else str(seed),
        "ended": time.strftime("%Y-%m-%d %H:%M"),
        "took": plain_duration(seconds),
        "machine": machine,
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "work dir": str(cfg.work_dir),
    }


def data_facts(report: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Return what was repaired or left out, and what each split holds.

    Args:
        report: As `data_report` gives it.
    """
    findings = Findings(KINDS)
    with contextlib.suppress(KeyError):  # A copy of another version; its file lists it.
        findings.take(report.get("findings", ()))
    splits = {
        name: (
            f"{split['pictures']:,} pictures, {split['without_objects']:,} of them "
            f"without objects, {split['objects']:,} objects"
            f"{_crowds(split['crowds'])}; from {', '.join(split['sources'])}"
        )
        for name, split in report.get("splits", {}).items()
    }
    return findings.lines(), splits


def known_data(cfg: Config, splits: tuple[str, ...]) -> dict[str, Any]:
    """Return the `data_report`; empty for data that has no clean copies."""
    try:
        return data_report(cfg, splits)
    except (KeyError, OSError, ValueError):
        return {}


def _crowds(count: int) -> str:
    return f" and {count:,} crowd regions" if count else ""
