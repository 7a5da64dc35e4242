"""Batches of one picture, or a last batch with one left, train all the same."""

import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import Runner
from support.running_tools import ROOT, run_here
from support.tiny_coco import make_tiny_coco
from torch import nn

from ghostnet_mm.engine.hooks.lone_norm_values import LoneNormValues
from ghostnet_mm.engine.mistakes import mistakes_told
from ghostnet_mm.errors import OptionError


class Pooled(BaseModel):
    """A norm that sees one value per channel and picture, and one that sees more."""

    def __init__(self, **norm):
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 1)
        self.wide = nn.BatchNorm2d(3)
        self.pooled = nn.BatchNorm2d(3, **norm)

    def forward(self, x, mode=None):
        out = self.wide(self.conv(x))
        out = self.pooled(out.mean(dim=(2, 3), keepdim=True))
        return dict(loss=out.square().mean()) if mode == "loss" else out


def train(model, batch_size, pictures, folder):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(pictures, 2, 4, 4, generator=generator)
    runner = Runner(
        model=model,
        work_dir=str(folder),
        train_dataloader=dict(
            batch_size=batch_size,
            num_workers=0,
            dataset=[dict(x=image) for image in images],
            sampler=dict(type="DefaultSampler", shuffle=False),
            collate_fn=dict(type="default_collate"),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)),
        custom_hooks=[LoneNormValues()],
        experiment_name=f"{folder.name}-{batch_size}-{pictures}",
        log_level="ERROR",
        default_scope="mmdet",
    )
    runner.train()
    return images


def statistics(norm):
    return {name: buffer.clone() for name, buffer in norm.named_buffers()}


def test_the_norm_of_one_value_keeps_its_statistics_and_learns(tmp_path, capsys):
    model = Pooled()
    model.pooled.running_mean.normal_()
    model.pooled.running_var.uniform_(0.5, 2)
    before, start = statistics(model.pooled), copy.deepcopy(model.state_dict())
    images = train(model, 1, 3, tmp_path)
    for name, value in statistics(model.pooled).items():
        assert torch.equal(value, before[name]), name
    assert not torch.equal(model.wide.running_mean, start["wide.running_mean"])
    assert model.pooled.training
    told = capsys.readouterr().out
    assert told.count("a batch of one picture leaves pooled one value") == 1

    # The three steps by hand: the lone norm as in a test, all else as in training.
    reference = Pooled()
    reference.load_state_dict(start)
    reference.train()
    reference.pooled.eval()
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1)
    for image in images:
        optimizer.zero_grad()
        reference(image[None], "loss")["loss"].backward()
        optimizer.step()
    torch.testing.assert_close(model.state_dict(), reference.state_dict())


def test_only_the_last_batch_of_one_is_spared(tmp_path):
    model = Pooled()
    train(model, 2, 5, tmp_path)
    assert int(model.pooled.num_batches_tracked) == 2
    assert int(model.wide.num_batches_tracked) == 3


def test_nothing_is_said_where_it_does_not_happen(tmp_path, capsys):
    train(Pooled(), 2, 4, tmp_path)
    assert "one value per channel" not in capsys.readouterr().out


@pytest.mark.parametrize("pictures", [1, 2])
def test_a_compiled_model_trains_the_same(pictures, tmp_path):
    """Catches a hook that the compiler cannot follow."""
    torch._dynamo.reset()
    model = Pooled()
    plain = copy.deepcopy(model)
    for watched in (model, plain):
        hook = LoneNormValues()
        for name, norm in watched.named_modules():
            if isinstance(norm, nn.BatchNorm2d):
                hook._watch(norm, name)
    model.compile(backend="eager")
    x = torch.rand(pictures, 2, 4, 4)
    for _ in range(2):
        torch.testing.assert_close(model(x), plain(x))
    torch.testing.assert_close(model.state_dict(), plain.state_dict())


def test_ssdlite_whose_last_map_is_one_pixel(tmp_path):
    """The recipe keeps its workers, so that num_workers=0 is tried here too."""
    data = make_tiny_coco(tmp_path / "data", images_per_split=3)
    splits = ("train", "val", "test")
    done = run_here(
        *("train", ROOT / "configs" / "ssdlite_ghostnet_coco.py", "--data-root", data),
        *("--backbone-weights", "none", "--work-dir", "run", "--cfg-options"),
        *(f"{split}_dataloader.num_workers=0" for split in splits),
        *(f"{split}_dataloader.persistent_workers=True" for split in splits),
        *("train_dataloader.batch_size=2", "train_cfg.max_epochs=1"),
        "train_dataloader.dataset.times=1",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "leaves neck.extra_layers" in done.stdout
    assert (tmp_path / "run" / "epoch_1.pth").is_file()


def test_a_norm_without_running_statistics_is_told(tmp_path):
    """Nothing can stand in there: one sentence in place of PyTorch's."""
    with pytest.raises(OptionError, match="batches of 2 pictures"):
        with mistakes_told(Config(dict())):
            train(Pooled(track_running_stats=False), 1, 2, tmp_path)
