"""Where a detector's time goes, and what would save some."""

from .diagnosis import Diagnosis, Examination, diagnose
from .report import markdown, write_json, write_page

__all__ = [
    "Diagnosis",
    "Examination",
    "diagnose",
    "markdown",
    "write_json",
    "write_page",
]
