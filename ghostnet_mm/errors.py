"""Errors that a user can cause and correct.

Each carries one sentence that says what is wrong and what to do about it. The command
line tools print that sentence and exit with status 2; every other exception is a bug
and keeps its traceback. Those of pictures and exported models are the runtime's.
"""

from ghostnet_runtime.errors import DataError, ModelError, OptionError, UserError

__all__ = [
    "CheckpointError",
    "DataError",
    "ExportError",
    "ModelError",
    "OptionError",
    "TrainingError",
    "UserError",
]


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that is missing, unsafe, unreachable or made for another model."""


class TrainingError(UserError, RuntimeError):
    """A run that cannot go on as it was asked to."""


class ExportError(UserError, RuntimeError):
    """An exported model that does not compute what the detector does."""
