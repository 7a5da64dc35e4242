"""Running a config: the runner, its hooks, and detection on pictures."""

from .cpu_amp import CpuAmpOptimWrapper
from .progress_line import ProgressLine
from .quiet_runner import QuietRunner
from .result_table import ResultTable
from .saved_pictures import SavePictures

__all__ = [
    "CpuAmpOptimWrapper",
    "ProgressLine",
    "QuietRunner",
    "ResultTable",
    "SavePictures",
]
