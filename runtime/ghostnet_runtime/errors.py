"""Errors that a user can cause and correct.

Each carries one sentence that says what is wrong and what to do about it. The command
lines print that sentence and exit with status 2; every other exception is a bug and
keeps its traceback. ``ghostnet_mm.errors`` has the same classes and adds its own.
"""


class UserError(Exception):
    """A mistake of the user, told in one sentence that says how to correct it."""


class OptionError(UserError, ValueError):
    """An impossible option, on the command line, in a config or in a constructor."""


class DataError(UserError, ValueError):
    """A dataset, an annotation file, a picture or a video that cannot be used."""


class ModelError(OptionError, RuntimeError):
    """A model file that is missing, damaged, or not made for this package."""
