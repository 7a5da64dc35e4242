"""One of two processes of test_cpu_distributed.py: prints a JSON line of results.

Usage: gloo_worker.py collectives|training WORK_DIR, with torchrun's variables set.
"""

import json
import sys

import torch
import torch.distributed
from mmengine.dist import all_reduce, collect_results, get_rank, init_dist
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

import ghostnet_mm  # noqa: F401

SAMPLES = 6


def check_collectives(work_dir):
    init_dist("pytorch", backend="gloo")
    rank = get_rank()
    total = torch.tensor([1.0, 10.0]) * (rank + 1)
    all_reduce(total)
    mine = [f"sample {index}" for index in range(rank, 5, 2)]
    return {
        "backend": torch.distributed.get_backend(),
        "sum": total.tolist(),
        "by_gather": collect_results(mine, 5, device="gpu"),
        "by_files": collect_results(mine, 5, device="cpu", tmpdir=f"{work_dir}/parts"),
    }


class Numbers(Dataset):
    METAINFO = {}
    metainfo = METAINFO

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        return {"inputs": torch.tensor([1.0 + index, 2.0 * index, 0.5])}


class Linear(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)
        torch.nn.init.constant_(self.layer.weight, 0.1)
        torch.nn.init.zeros_(self.layer.bias)

    def forward(self, inputs, mode):
        output = self.layer(inputs)
        return {"loss": output.square().mean()} if mode == "loss" else [output]


class CountOutputs(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.extend(output.sum().item() for output in data_samples[0])

    def compute_metrics(self, results):
        return {"outputs": len(results), "sum": sum(results)}


def make_runner(work_dir, launcher, batch_size, dist_cfg):
    loader = {
        "dataset": Numbers(),
        "sampler": {"type": "DefaultSampler", "shuffle": False},
        "batch_size": batch_size,
        "collate_fn": {"type": "default_collate"},
    }
    return Runner(
        model=Linear(),
        work_dir=work_dir,
        train_dataloader=loader,
        val_dataloader=loader,
        val_evaluator=Evaluator(CountOutputs()),
        train_cfg={"by_epoch": True, "max_epochs": 2},
        val_cfg={},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}},
        env_cfg={"dist_cfg": dist_cfg},
        launcher=launcher,
        default_hooks={"logger": {"type": "LoggerHook", "interval": 1}},
    )


def train(work_dir):
    """Train with the backend every config asks for, which this machine lacks."""
    runner = make_runner(work_dir, "pytorch", 1, {"backend": "nccl"})
    model = runner.train()
    return {
        "backend": torch.distributed.get_backend(),
        "wrapper": type(model).__name__,
        "weights": model.module.layer.weight.tolist(),
        "outputs": int(runner.message_hub.get_scalar("val/outputs").current()),
        "sum": float(runner.message_hub.get_scalar("val/sum").current()),
    }


if __name__ == "__main__":
    task, work_dir = sys.argv[1:]
    results = {"collectives": check_collectives, "training": train}[task](work_dir)
    print("RESULT", json.dumps(results), flush=True)
    torch.distributed.destroy_process_group()
