"""What every tool does around its work: report a user's mistake in one sentence."""

import errno
import sys
from collections.abc import Callable

from ..errors import OptionError, UserError
from .console import is_first_process

STATUS_USER_ERROR = 2
STATUS_INTERRUPTED = 130
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


class RunInterrupted(KeyboardInterrupt):
    """A run that was asked to stop, and has said so itself.

    Attributes:
        status: The exit status of the tool.
    """

    def __init__(self, status: int = STATUS_INTERRUPTED):
        super().__init__()
        self.status = status


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


def _place_error(error: Exception) -> UserError | None:
    if not isinstance(error, OSError) or error.errno not in PLACE_ERRORS:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return OptionError(
        f"{place}{error.strerror}; check the path, its permissions and the room on the "
        f"disk."
    )


def run_tool(work: Callable[..., object], *arguments: object) -> int:
    """Run ``work(*arguments)`` and return the exit status of the tool.

    It is the number that ``work`` returns, and 0 where that is none.
    A user's mistake prints ``error: <sentence>`` to stderr and gives 2, Ctrl-C gives
    130, and every other exception passes through: it is a bug and keeps its traceback.
    """
    try:
        status = work(*arguments)
    except RunInterrupted as request:
        return request.status
    except KeyboardInterrupt:
        if is_first_process():
            print("\ninterrupted", file=sys.stderr)
        return STATUS_INTERRUPTED
    except Exception as error:
        mistake = user_error_in(error) or _place_error(error)
        if mistake is None:
            raise
        if is_first_process():
            sys.stdout.flush()
            print(f"error: {sentence_of(mistake)}", file=sys.stderr, flush=True)
        return STATUS_USER_ERROR
    return status if type(status) is int else 0
