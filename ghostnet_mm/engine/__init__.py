"""Running a config: the runner, its hooks, and detection on pictures."""

from .cpu_amp import CpuAmpOptimWrapper
from .early_stop import EarlyStop
from .layer_decay import GhostLayerDecayOptimWrapperConstructor
from .model_forms import ChannelsLast, CompileParts
from .progress_line import ProgressLine
from .quiet_runner import QuietRunner
from .result_table import ResultTable
from .saved_pictures import SavePictures
from .training_runner import BatchScalingRunner
from .weight_average import StepEMAHook, WeightAverage

__all__ = [
    "BatchScalingRunner",
    "ChannelsLast",
    "CompileParts",
    "CpuAmpOptimWrapper",
    "EarlyStop",
    "GhostLayerDecayOptimWrapperConstructor",
    "ProgressLine",
    "QuietRunner",
    "ResultTable",
    "SavePictures",
    "StepEMAHook",
    "WeightAverage",
]
