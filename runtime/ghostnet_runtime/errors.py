"""Errors that a user can cause and correct.

Each carries one sentence that says what is wrong and what to do about it. The command
prints that sentence and exits with status 2; every other exception is a bug and keeps
its traceback.
"""


class UserError(Exception):
    """A mistake of the user, told in one sentence that says how to correct it."""


class OptionError(UserError, ValueError):
    """An impossible option or argument, or a library that has to be installed."""


class DataError(UserError, ValueError):
    """A picture, a video or a camera that cannot be used."""


class ModelError(UserError, RuntimeError):
    """A model file that is missing, damaged, or not made for this package."""
