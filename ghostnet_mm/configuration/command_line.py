"""What every tool does around its work: report a user's mistake in one sentence."""

import sys
from collections.abc import Callable

from ..errors import mistake_in, sentence_of
from .console import is_first_process

STATUS_USER_ERROR = 2
STATUS_INTERRUPTED = 130


class RunInterrupted(KeyboardInterrupt):
    """A run that was asked to stop, and has said so itself.

    Attributes:
        status: The exit status of the tool.
    """

    def __init__(self, status: int = STATUS_INTERRUPTED):
        super().__init__()
        self.status = status


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
        mistake = mistake_in(error)
        if mistake is None:
            raise
        if is_first_process():
            sys.stdout.flush()
            print(f"error: {sentence_of(mistake)}", file=sys.stderr, flush=True)
        return STATUS_USER_ERROR
    return status if type(status) is int else 0
