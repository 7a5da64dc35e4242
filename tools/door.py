"""The way from a tool to the command of ``ghostnet`` that it is.

A tool of a checkout runs the package that is installed, or else the one beside it.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from ghostnet_launcher import exit_unless_installed, tool_main

__all__ = ["exit_unless_installed", "tool_main"]
