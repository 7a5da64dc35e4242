"""Training several detectors under one recipe, and reporting them side by side."""

from .compared_detectors import ComparedDetector, parse_candidate
from .report import write_report
from .runs import compare

__all__ = ["ComparedDetector", "compare", "parse_candidate", "write_report"]
