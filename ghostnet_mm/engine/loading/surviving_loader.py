"""A data loader that outlives its workers, and says so when one of them hangs."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from ...configuration.console import tell
from .sample_order import SampleOrder, SeededSamples

# So many workers may die in one epoch before loading goes on without any.
MOST_DEATHS = 3
# Seconds without a batch until a line says what is waited for; then twice as many.
PATIENCE = 60.0
PICTURES_TOLD = 3
SHARED_MEMORY = "/dev/shm"
NO_SHARED_MEMORY = re.compile(
    r"shared memory|bus error|</torch_\d+|No space left on device", re.IGNORECASE
)
A_WORKER = re.compile(r"DataLoader worker|pin memory thread", re.IGNORECASE)


class SurvivingLoader(DataLoader):
    """PyTorch's loader with samples as in `SampleOrder`, made by `surviving`.

    A worker that dies costs no batch and changes none: others load what it had. Without
    shared memory, or when one after the other dies, this process does the loading.
    """

    order: SampleOrder

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Give out the batches; workers start with the first."""
        self.order.start()
        deaths = 0
        while True:
            iterator: Any = None
            try:
                iterator = super().__iter__()
                with _watched(self, iterator) as watch:
                    while True:
                        watch.since = time.monotonic()
                        try:
                            batch = next(iterator)
                        except StopIteration:
                            return
                        watch.since = None
                        self.order.used()
                        yield batch
            except (RuntimeError, OSError, EOFError) as error:
                fault = _fault(error, iterator)
                if fault is None:
                    raise
            deaths += 1
            self._start_over(iterator, fault, deaths)

    def _get_iterator(self) -> Any:
        dataset, sampler = self.dataset, self.batch_sampler
        # An iterator takes them from its loader, where hooks look for the plain ones.
        vars(self).update(dataset=SeededSamples(dataset), batch_sampler=self.order)
        try:
            return super()._get_iterator()
        finally:
            vars(self).update(dataset=dataset, batch_sampler=sampler)
            _leave_dead_workers_to_us()

    def _start_over(self, iterator: Any, fault: str, deaths: int) -> None:
        if iterator is not None:
            iterator._shutdown_workers()
        self._iterator = None
        is_full = NO_SHARED_MEMORY.search(fault) is not None
        if not is_full and deaths < MOST_DEATHS:
            tell(f"{fault}: new ones load the same batches, nothing is lost")
            return
        vars(self).update(num_workers=0, prefetch_factor=None, timeout=0)
        advice = (
            f"make room in {SHARED_MEMORY} (docker run --shm-size=8g)"
            if is_full
            else "use fewer workers or smaller batches if memory is short"
        )
        tell(
            f"{fault}: loading goes on without workers, slower but with the same "
            f"batches; next time {advice}"
        )


def surviving(loader: DataLoader) -> SurvivingLoader | DataLoader:
    """Make a loader survive, in place; one of another kind stays as it is."""
    if type(loader) is not DataLoader or loader.batch_sampler is None:
        return loader
    if isinstance(loader.dataset, IterableDataset):
        return loader
    loader.__class__ = SurvivingLoader
    assert isinstance(loader, SurvivingLoader)
    loader.order = SampleOrder(loader.batch_sampler)
    return loader


def _fault(error: Exception, iterator: Any) -> str | None:
    """Say what has happened to the workers; ``None`` if the error is none of theirs."""
    text = str(error)
    workers = list(getattr(iterator, "_workers", ()))
    if "Caught " in text:
        if NO_SHARED_MEMORY.search(text.splitlines()[-1]) is None:
            return None  # what a pipeline raised
    elif workers and not isinstance(error, RuntimeError):
        # A dead worker cannot hand over what it has announced; soon it shows.
        for worker in workers:
            worker.join(timeout=1 / len(workers))
        if all(worker.is_alive() for worker in workers):
            return None
    elif A_WORKER.search(text) is None:
        return None
    dead = {worker.pid: worker.exitcode for worker in workers if worker.exitcode}
    if -signal.SIGBUS in dead.values() or NO_SHARED_MEMORY.search(text):
        return f"the shared memory {SHARED_MEMORY} is full{_room()}"
    if not dead:
        return "data workers have ended"
    pid, status = next(iter(dead.items()))
    if status == -signal.SIGKILL:
        why = "was killed, as a machine does that runs out of memory"
    elif status < 0:
        why = f"was ended by {signal.Signals(-status).name}"
    else:
        why = f"ended with status {status}"
    return f"data worker {pid} {why}"


def _room() -> str:
    try:
        usage = shutil.disk_usage(SHARED_MEMORY)
    except OSError:
        return ""
    return f" ({usage.free / 2**20:.0f} of {usage.total / 2**20:.0f} MiB free)"


def _leave_dead_workers_to_us() -> None:
    """Take away PyTorch's signal handler, which raises in the middle of a step."""
    if threading.current_thread() is not threading.main_thread():
        return
    handler = signal.getsignal(signal.SIGCHLD)
    if getattr(handler, "__module__", "").startswith("torch.utils.data"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


class _Watch:
    since: float | None = None


@contextmanager
def _watched(loader: SurvivingLoader, iterator: Any) -> Iterator[_Watch]:
    """Have a thread tell what is waited for, when it takes long."""
    watch, over = _Watch(), threading.Event()
    if loader.num_workers == 0:
        yield watch
        return

    def look() -> None:
        told: tuple[float | None, float] = (None, PATIENCE)
        while not over.wait(min(PATIENCE / 4, 1.0)):
            since = watch.since
            if since is None:
                continue
            limit = told[1] if told[0] == since else PATIENCE
            waited = time.monotonic() - since
            if waited > limit:
                told = (since, 2 * limit)
                tell(_waiting_line(loader, iterator, waited))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()


def _waiting_line(loader: SurvivingLoader, iterator: Any, waited: float) -> str:
    try:
        number = iterator._task_info[iterator._rcvd_idx][0]
        worker = f"worker {number} (process {iterator._workers[number].pid})"
    except (AttributeError, KeyError, IndexError):
        worker = "a worker"
    paths = _paths(loader)
    folder = f" of {os.path.dirname(paths[0])}" if paths else ""
    names = ", ".join(os.path.basename(path) for path in paths[:PICTURES_TOLD])
    more = len(paths) - PICTURES_TOLD
    pictures = (names or "its batch") + (f" and {more} more" if more > 0 else "")
    return (
        f"no data for {waited:.0f} s: {worker} has not finished {pictures}{folder}; "
        f"the run waits for the disk or file server, and Ctrl-C twice ends it"
    )


def _paths(loader: SurvivingLoader) -> list[str]:
    information = getattr(loader.dataset, "get_data_info", None)
    if information is None:
        return []
    found = [information(sample.place) for sample in loader.order.awaited]
    return [str(info["img_path"]) for info in found if info.get("img_path")]
