"""Candidates in processes of their own.

Runtimes keep threads that spin for a while after their work. In one process, or right
after another, they take time from whoever comes next; a process that waits for its turn
and a short rest between turns leave every candidate the machine to itself. After its
rest a candidate works for a while before it is timed.
"""

import multiprocessing
import signal
import time
import traceback
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from ..errors import OptionError, UserError
from ..measuring.latency import torch_threads
from .candidates import BenchmarkCandidate
from .settings import REST_SECONDS, BenchmarkSettings
from .subjects import Subject, open_candidate


class IsolatedCandidate:
    """A candidate in a process of its own: the end that asks.

    Args:
        candidate: What to open there.
        settings: How it is timed.
        pictures: (H, W, 3) uint8 BGR.
        threads: Of its runtime.
    """

    def __init__(
        self,
        candidate: BenchmarkCandidate,
        settings: BenchmarkSettings,
        pictures: Sequence[np.ndarray],
        threads: int,
    ):
        self.label = candidate.label
        # Not a fork: threads of the libraries that are loaded here would be missing.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(other, candidate, settings, pictures, threads),
            daemon=True,
        )
        # The parent ends it: two would answer to Ctrl-C otherwise.
        answer_to_interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, answer_to_interrupts)
        # Else nobody would notice that the process has ended.
        other.close()

    def open(self) -> tuple[list[Subject], list[str]]:
        """Wait until the candidate is open; see `subjects.open_candidate`.

        Raises:
            UserError: It cannot be loaded, cannot do what is asked, or its process has
                ended.
            RuntimeError: Anything else went wrong there.
        """
        found, notes = self._answer()
        subjects = [
            Subject(scoped, partial(self._measure, index))
            for index, scoped in enumerate(found)
        ]
        return subjects, notes

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.join()

    def _measure(self, index: int) -> float:
        time.sleep(REST_SECONDS)
        return self._answer(index)

    def _answer(self, question: int | None = None) -> Any:
        try:
            if question is not None:
                self._connection.send(question)
            answer = self._connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join(timeout=5)
            raise OptionError(
                f"The process of {self.label} ended with status "
                f"{self._process.exitcode}; run it alone, or with --one-process, to "
                f"see why."
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer


def _serve(
    connection: Connection,
    candidate: BenchmarkCandidate,
    settings: BenchmarkSettings,
    pictures: Sequence[np.ndarray],
    threads: int,
) -> None:
    """Open a candidate, then time its subjects as often as the other end asks."""
    try:
        with torch_threads(threads):
            subjects, notes = open_candidate(candidate, settings, pictures, threads)
            connection.send(([subject.scoped for subject in subjects], notes))
            while True:
                connection.send(subjects[connection.recv()].measure())
    except UserError as error:
        connection.send(error)
    except (EOFError, ConnectionError):  # nobody asks any more
        pass
    except Exception:
        connection.send(
            RuntimeError(f"{candidate.label} failed:\n{traceback.format_exc()}")
        )
