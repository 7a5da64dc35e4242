"""Running a config: the runner, its hooks, and detection on pictures."""

from ..evaluation.fast_coco_metric import FastCocoMetric
from .hooks.early_stop import EarlyStop
from .hooks.exact_state import ExactState
from .hooks.lone_norm_values import LoneNormValues
from .hooks.non_finite_loss import NonFiniteLoss
from .hooks.out_of_memory import OutOfMemory
from .hooks.progress_line import ProgressLine
from .hooks.result_table import ResultTable
from .hooks.run_report import RunReport
from .hooks.saved_pictures import SavePictures
from .hooks.unreadable_pictures import UnreadablePictures
from .hooks.validation_losses import ValidationLosses
from .hooks.weight_average import StepEMAHook, WeightAverage
from .hooks.whole_checkpoints import WholeCheckpoints
from .quiet_runner import QuietRunner
from .training.cpu_amp import CpuAmpOptimWrapper
from .training.epoch_loop import ResumableEpochLoop
from .training.iteration_loop import ResumableIterationLoop
from .training.layer_decay import GhostLayerDecayOptimWrapperConstructor
from .training.model_forms import ChannelsLast, CompileParts
from .training.runner import BatchScalingRunner

__all__ = [
    "BatchScalingRunner",
    "ChannelsLast",
    "CompileParts",
    "CpuAmpOptimWrapper",
    "EarlyStop",
    "ExactState",
    "FastCocoMetric",
    "GhostLayerDecayOptimWrapperConstructor",
    "LoneNormValues",
    "NonFiniteLoss",
    "OutOfMemory",
    "ProgressLine",
    "QuietRunner",
    "ResultTable",
    "ResumableEpochLoop",
    "ResumableIterationLoop",
    "RunReport",
    "SavePictures",
    "StepEMAHook",
    "UnreadablePictures",
    "ValidationLosses",
    "WeightAverage",
    "WholeCheckpoints",
]
