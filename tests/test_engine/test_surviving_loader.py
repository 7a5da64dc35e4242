"""Data workers that die, hang, or have no shared memory."""

import os
import signal
import time

import pytest
import torch
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from ghostnet_mm.engine.loading import surviving_loader
from ghostnet_mm.engine.loading.signals import end_workers
from ghostnet_mm.engine.loading.surviving_loader import SurvivingLoader, surviving


@pytest.fixture(autouse=True)
def look_often(monkeypatch):
    """PyTorch looks every 5 s whether a worker has died."""
    look = _MultiProcessingDataLoaderIter._try_get_data
    monkeypatch.setattr(look, "__defaults__", (0.3,))


class Numbers:
    """Numbers with noise; a file decides what happens at number 9."""

    def __init__(self, folder, fault):
        self.folder, self.fault = folder, fault

    def __len__(self):
        return 24

    def get_data_info(self, index):
        return dict(img_path=f"/pictures/{index}.jpg")

    def __getitem__(self, index):
        if index == 9:
            self.fault(self.folder)
        return torch.tensor([index, *torch.rand(2).tolist()])


def times(folder):
    """Count the calls, across processes."""
    file = folder / "calls"
    with file.open("a") as stream:
        stream.write("x")
    return len(file.read_text())


def in_a_worker():
    return torch.utils.data.get_worker_info() is not None


def nothing(folder):
    pass


def die_once(folder):
    if in_a_worker() and times(folder) == 1:
        os.kill(os.getpid(), signal.SIGKILL)


def die_always(folder):
    if in_a_worker():
        os.kill(os.getpid(), signal.SIGKILL)


def bus_error(folder):
    if in_a_worker():
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGBUS)


def no_shared_memory(folder):
    if in_a_worker():
        raise RuntimeError(
            "unable to write to file </torch_1_2_3>: No space left on device (28)"
        )


def mistake(folder):
    raise RuntimeError("a pipeline's own mistake")


def hang(folder):
    if in_a_worker():
        time.sleep(5)  # longer than a busy machine takes to start the other worker


def load(folder, fault, epochs=1, **settings):
    usual = dict(batch_size=2, num_workers=2)
    loader = surviving(DataLoader(Numbers(folder, fault), **{**usual, **settings}))
    batches = []
    for epoch in range(epochs):
        loader.order.epoch = epoch
        batches += list(loader)
    end_workers([loader])
    return torch.cat(batches)


KILLED = "was killed, as a machine does that runs out of memory: new ones"
FAULTS = [
    (die_once, KILLED, False),
    (die_once, KILLED, True),
    (die_always, "goes on without workers, slower but with the same batches", True),
    (bus_error, "the shared memory /dev/shm is full", False),
    (no_shared_memory, "the shared memory /dev/shm is full", True),
]


@pytest.mark.parametrize(("fault", "said", "persistent_workers"), FAULTS)
def test_the_batches_are_those_of_healthy_workers(
    tmp_path, capsys, fault, said, persistent_workers
):
    """Catches a batch that is lost, comes twice, or is augmented another way."""
    settings = dict(persistent_workers=persistent_workers, epochs=2)
    found = load(tmp_path, fault, **settings)
    assert said in capsys.readouterr().out
    torch.testing.assert_close(
        found, load(tmp_path, nothing, **settings), rtol=0, atol=0
    )
    assert found[:, 0].tolist() == [*range(24), *range(24)]


def test_a_mistake_of_the_pipeline_passes_through(tmp_path):
    with pytest.raises(RuntimeError, match="a pipeline's own mistake"):
        load(tmp_path, mistake)


def test_a_hanging_worker_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(surviving_loader, "PATIENCE", 1.0)
    found = load(tmp_path, hang)
    said = capsys.readouterr().out
    assert "s: worker 0 (process " in said
    assert "has not finished 8.jpg, 9.jpg of /pictures; the run waits" in said
    assert found[:, 0].tolist() == [*range(24)]


def test_hooks_find_the_plain_dataset_and_sampler(tmp_path):
    plain = DataLoader(Numbers(tmp_path, nothing), batch_size=2, num_workers=1)
    sampler = plain.batch_sampler
    loader = surviving(plain)
    assert isinstance(loader, SurvivingLoader)
    assert surviving(loader) is loader
    next(iter(loader))
    assert isinstance(loader.dataset, Numbers)
    assert loader.batch_sampler is sampler
    assert len(loader) == 12
