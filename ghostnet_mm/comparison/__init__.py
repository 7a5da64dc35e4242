"""Training several detectors under one recipe, and reporting them side by side."""

from .candidates import Candidate, parse_candidate
from .report import write_report
from .runs import compare

__all__ = ["Candidate", "compare", "parse_candidate", "write_report"]
