"""Errors that a user can cause and correct.

Each carries one sentence that says what is wrong and what to do about it. The command
line tools print that sentence and exit with status 2; every other exception is a bug
and keeps its traceback. Those of pictures and exported models are the runtime's.
"""

import errno

from ghostnet_runtime.errors import DataError, ModelError, OptionError, UserError

__all__ = [
    "CheckpointError",
    "DataError",
    "ExportError",
    "ModelError",
    "OptionError",
    "TrainingError",
    "UserError",
    "mistake_in",
    "sentence_of",
    "user_error_in",
]

# What the place of a file says, not a bug: full, read-only, no permission, no folder.
PLACE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
}


class CheckpointError(UserError, RuntimeError):
    """A checkpoint that is missing, unsafe, unreachable or made for another model."""


class TrainingError(UserError, RuntimeError):
    """A run that cannot go on as it was asked to."""


class ExportError(UserError, RuntimeError):
    """An exported model that does not compute what the detector does."""


def mistake_in(error: BaseException) -> UserError | None:
    """Return the user's mistake in ``error``, or what the place of a file says."""
    return user_error_in(error) or _place_error(error)


def user_error_in(error: BaseException | None) -> UserError | None:
    """Return the user's mistake that ``error`` is, or was raised ``from``.

    Libraries wrap what a constructor raises. Only explicit causes are followed: an
    exception that merely happened while a mistake was being handled is a bug.
    """
    while error is not None:
        if isinstance(error, UserError):
            return error
        error = error.__cause__
    return None


def sentence_of(error: UserError) -> str:
    """Return the message on one line.

    A DataLoader worker's exception comes back with the worker's traceback around it;
    the sentence is what follows the class name on the last line.
    """
    text = str(error).strip()
    if "Original Traceback" in text:
        text = text.splitlines()[-1].partition(": ")[2]
    return " ".join(text.split())


def _place_error(error: BaseException) -> UserError | None:
    if not isinstance(error, OSError) or error.errno not in PLACE_ERRORS:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return OptionError(
        f"{place}{error.strerror}; check the path, its permissions and the room on the "
        f"disk."
    )
