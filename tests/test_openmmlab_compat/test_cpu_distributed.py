"""mmengine's distributed training in two real gloo processes without a GPU."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.dist import utils as dist_utils
from mmengine.model import MMDistributedDataParallel
from support import gloo_worker
from torch.testing import assert_close

from ghostnet_mm.openmmlab_compat import cpu_distributed

WORKER = Path(__file__).parents[1] / "support" / "gloo_worker.py"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def run_two_processes(task, work_dir):
    """Start the worker twice as torchrun does; return the results and the output."""
    port = free_port()
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, task, work_dir],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "CUDA_VISIBLE_DEVICES": "",
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=600)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
    results = [
        json.loads(line.removeprefix("RESULT "))
        for output in outputs
        for line in output.splitlines()
        if line.startswith("RESULT ")
    ]
    return results, outputs


def test_collectives_of_two_processes(tmp_path):
    (first, second), _ = run_two_processes("collectives", tmp_path)

    assert first["backend"] == second["backend"] == "gloo"
    assert first["sum"] == second["sum"] == [3.0, 30.0]
    assert first["by_gather"] == [f"sample {index}" for index in range(5)]
    assert first["by_files"] == first["by_gather"]
    assert second["by_gather"] is second["by_files"] is None


def test_two_processes_train_as_one_with_the_joint_batch(tmp_path):
    (first, second), outputs = run_two_processes("training", tmp_path / "two")
    alone = gloo_worker.make_runner(str(tmp_path / "one"), "none", 2, {})
    expected = alone.train()

    assert first["backend"] == "gloo"
    assert first["wrapper"] == "MMDistributedDataParallel"
    assert first["weights"] == second["weights"]
    assert_close(torch.tensor(first["weights"]), expected.layer.weight.detach())
    assert first["outputs"] == gloo_worker.SAMPLES
    assert first["sum"] == pytest.approx(
        alone.message_hub.get_scalar("val/sum").current()
    )
    notes = [output.count("gloo instead of nccl") for output in outputs]
    assert notes == [1, 0]


def test_repairing_twice_wraps_once():
    cpu_distributed.repair_cpu_distribution()
    before = dist_utils._init_dist_pytorch, MMDistributedDataParallel.__init__

    cpu_distributed.repair_cpu_distribution()

    assert before == (
        dist_utils._init_dist_pytorch,
        MMDistributedDataParallel.__init__,
    )
    original = before[0].__wrapped__
    assert not hasattr(original, "__wrapped__")


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_a_machine_without_gpu_is_changed(device, monkeypatch):
    calls = []

    def launch(backend, **kwargs):
        torch.cuda.set_device(7)
        calls.append(backend)

    monkeypatch.setattr(cpu_distributed, "get_device", lambda: device)
    monkeypatch.setattr(torch.cuda, "set_device", calls.append)

    cpu_distributed._without_cuda_on_cpu(launch)("nccl")

    assert calls == (["gloo"] if device == "cpu" else [7, "nccl"])
    assert torch.cuda.set_device == calls.append
