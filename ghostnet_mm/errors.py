"""Errors that a user can cause and correct.

Each carries one sentence that says what is wrong and what to do about it. The command
line tools print that sentence and exit with status 2; every other exception is a bug
and keeps its traceback.
"""


class UserError(Exception):
    """A mistake of the user, told in one sentence that says how to correct it."""


class OptionError(UserError, ValueError):
    """An impossible option, on the command line, in a config or in a constructor."""


class DataError(UserError, ValueError):
    """A dataset, an annotation file, an image or a video that cannot be used."""


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that is missing, unsafe, unreachable or made for another model."""


class ExportError(UserError, RuntimeError):
    """An exported model that does not compute what the detector does."""
