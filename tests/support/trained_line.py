"""A model small enough to compute by hand, and mmengine's runner around it."""

import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

SCORE = "coco/bbox_mAP"


class Line(BaseModel):
    """A line with a norm before it; its validation gives back its weight."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.line = nn.Linear(3, 1)

    def forward(self, x, y, mode):
        if mode == "loss":
            return dict(loss=(self.line(self.norm(x)) - y).square().mean())
        return [self.line.weight.detach().clone()]


class Script(BaseMetric):
    """Gives the scores of a list, one per validation; ``None`` stands for none."""

    default_prefix = "coco"

    def __init__(self, scores):
        super().__init__()
        self.scores = list(scores)
        self.seen = []

    def process(self, data_batch, data_samples):
        self.results += data_samples
        self.seen += data_samples

    def compute_metrics(self, results):
        score = self.scores.pop(0)
        return {} if score is None else {"bbox_mAP": score}


def _pairs(number):
    generator = torch.Generator().manual_seed(1)
    return [
        (torch.randn(3, generator=generator), torch.randn(1, generator=generator))
        for _ in range(number)
    ]


def loader(batch_size=2, number=8):
    return dict(
        batch_size=batch_size,
        num_workers=0,
        dataset=_pairs(number),
        sampler=dict(type="DefaultSampler", shuffle=False),
        collate_fn=dict(type="default_collate"),
    )


def train_line(tmp_path, hooks=(), kind=Runner, epochs=2, script=None, **settings):
    """Train the line; four iterations an epoch."""
    torch.manual_seed(0)
    validation = {}
    if script is not None:
        validation = dict(
            val_dataloader=loader(8), val_cfg=dict(), val_evaluator=[script]
        )
    usual = dict(
        train_dataloader=loader(),
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.3)),
        model=Line(),
        **validation,
    )
    runner = kind(
        work_dir=str(tmp_path),
        custom_hooks=list(hooks),
        experiment_name=f"{tmp_path.name}{len(list(tmp_path.iterdir()))}",
        log_level="ERROR",
        default_scope="mmdet",
        **{**usual, **settings},
    )
    runner.train()
    return runner
