"""What the tools do to a config before it runs."""

from .loading import (
    PreparedRun,
    apply_options,
    load_config,
    prepare_config,
    prepare_run,
)
from .options import Options, TrainingFlags

__all__ = [
    "Options",
    "PreparedRun",
    "TrainingFlags",
    "apply_options",
    "load_config",
    "prepare_config",
    "prepare_run",
]
