"""Candidates in processes of their own.

Runtimes keep threads that spin for a while after their work. In one process, or right
after another, they take time from whoever comes next; a process that waits for its turn
and a short rest between turns leave every candidate the machine to itself. After its
rest a candidate works for a while before it is timed.
"""

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np

from ..configuration.console import tell
from ..errors import OptionError, UserError
from ..measuring.latency import torch_threads
from .candidates import Candidate
from .settings import REST_SECONDS, BenchmarkSettings
from .subjects import ScopedCandidate, Subject, open_candidate


@contextmanager
def isolated_subjects(
    candidates: Sequence[Candidate],
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> Iterator[tuple[list[Subject], list[str]]]:
    """Open every candidate in a process of its own, for as long as the block runs.

    Yields:
        What can be timed, and sentences that a reader of the numbers has to know.

    Raises:
        UserError: A candidate cannot be loaded, or cannot do what is asked.
    """
    workers: list[_Worker] = []
    try:
        subjects, notes = [], []
        for index, candidate in enumerate(candidates):
            tell(f"[{index + 1}/{len(candidates)}] opening {candidate.label}")
            workers.append(_Worker(candidate, settings, pictures, threads))
            found, said = workers[-1].opened()
            subjects += found
            notes += said
        yield subjects, notes
    finally:
        for worker in workers:
            worker.stop()


class _Worker:
    """The end of a candidate's process that asks."""

    def __init__(
        self,
        candidate: Candidate,
        settings: BenchmarkSettings,
        pictures: list[np.ndarray],
        threads: int,
    ):
        self.label = candidate.label
        # Not a fork: threads of the libraries that are loaded here would be missing.
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process: BaseProcess = context.Process(
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

    def opened(self) -> tuple[list[Subject], list[str]]:
        """Wait until the candidate is open."""
        rows, notes = self._answer()
        subjects = [
            Subject(
                row.label,
                row.runs_in,
                row.scope,
                row.size,
                partial(self._measure, row.scope),
            )
            for row in rows
        ]
        return subjects, notes

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _measure(self, scope: str) -> float:
        time.sleep(REST_SECONDS)
        return self._answer(scope)

    def _answer(self, question: str | None = None) -> Any:
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
        if isinstance(answer, UserError):
            raise answer
        return answer


def _serve(
    connection: Connection,
    candidate: Candidate,
    settings: BenchmarkSettings,
    pictures: list[np.ndarray],
    threads: int,
) -> None:
    try:
        with torch_threads(threads):
            subjects, notes = open_candidate(candidate, settings, pictures, threads)
            connection.send(
                (
                    [
                        ScopedCandidate(one.label, one.runs_in, one.scope, one.size)
                        for one in subjects
                    ],
                    notes,
                )
            )
            measures = {one.scope: one.measure for one in subjects}
            while True:
                connection.send(measures[connection.recv()]())
    except UserError as error:
        connection.send(error)
    except (EOFError, ConnectionError):  # nobody asks any more
        pass
