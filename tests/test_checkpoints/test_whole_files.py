"""Checkpoints are written whole or not at all, and half ones are found out."""

import multiprocessing
import os
import resource
import signal
import time

import mmengine.runner
import pytest
import torch
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner import runner as mmengine_runner

from ghostnet_mm.checkpoints import install_whole_saving, load_checkpoint_file
from ghostnet_mm.checkpoints.whole_files import is_whole, save_whole
from ghostnet_mm.errors import CheckpointError


@pytest.fixture
def small_disk():
    """No file may grow beyond 100 kB, as on a disk that is nearly full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_what_is_saved_is_what_torch_saves(tmp_path):
    saved = dict(state_dict=dict(weight=torch.rand(3, 4)), meta=dict(epoch=2))
    mmengine.runner.save_checkpoint(saved, str(tmp_path / "epoch_2.pth"))
    found = load_checkpoint_file(tmp_path / "epoch_2.pth")
    assert torch.equal(found["state_dict"]["weight"], saved["state_dict"]["weight"])
    assert found["meta"] == saved["meta"]
    assert [file.name for file in tmp_path.iterdir()] == ["epoch_2.pth"]


def test_all_of_mmengine_saves_so():
    install_whole_saving()
    replaced = {
        module.save_checkpoint
        for module in (mmengine.runner, mmengine_checkpoint, mmengine_runner)
    }
    assert len(replaced) == 1
    assert replaced.pop().__wrapped__.__module__ == "mmengine.runner.checkpoint"


def test_a_full_disk_leaves_the_checkpoint_of_before(tmp_path, small_disk):
    """Catches a truncated file under the name of a whole one."""
    path = tmp_path / "epoch_1.pth"
    save_whole(dict(weight=torch.zeros(10)), path)
    with pytest.raises(CheckpointError) as caught:
        save_whole(dict(weight=torch.rand(100_000)), path)
    message = str(caught.value)
    assert str(path) in message
    assert os.strerror(27) in message  # EFBIG, what this limit is called
    assert message.endswith("make room, and go on with --resume.")
    assert torch.equal(load_checkpoint_file(path)["weight"], torch.zeros(10))
    assert [file.name for file in tmp_path.iterdir()] == ["epoch_1.pth"]


def write_again_and_again(path, started):
    number = 0
    while True:
        number += 1
        save_whole(dict(number=number, weight=torch.full((300_000,), number)), path)
        started.set()


def test_a_killed_process_leaves_a_whole_file(tmp_path):
    """Killed at moments of its own choosing, mostly in the middle of writing."""
    path = tmp_path / "epoch_1.pth"
    processes = multiprocessing.get_context("fork")
    for wait in (0.003, 0.01, 0.02, 0.03, 0.05, 0.08):
        started = processes.Event()
        writer = processes.Process(target=write_again_and_again, args=(path, started))
        writer.start()
        assert started.wait(60)
        time.sleep(wait)
        writer.kill()
        writer.join()
        assert is_whole(path)
        found = load_checkpoint_file(path)
        assert (found["weight"] == found["number"]).all()


def test_half_a_file_and_one_with_a_flipped_bit_are_found_out(tmp_path):
    path = tmp_path / "epoch_1.pth"
    torch.save(dict(weight=torch.rand(1000)), path)
    content = path.read_bytes()
    assert is_whole(path)
    for length in (0, 1, 2, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        assert not is_whole(path), length
    middle = len(content) // 2
    path.write_bytes(
        content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    )
    assert not is_whole(path)
    assert not is_whole(tmp_path / "none.pth")


def test_files_of_an_older_pytorch_pass(tmp_path):
    path = tmp_path / "epoch_1.pth"
    torch.save(dict(weight=torch.rand(3)), path, _use_new_zipfile_serialization=False)
    assert is_whole(path)
