"""The way from a tool to the command of ``ghostnet`` that it is.

A tool runs the package of its own checkout, whatever else is installed: an environment
may serve several checkouts.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "runtime")]

from ghostnet_launcher import exit_unless_installed, tool_main  # noqa: E402

__all__ = ["exit_unless_installed", "tool_main"]
